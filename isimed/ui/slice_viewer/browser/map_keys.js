// The map with keys alone: a cross moves over it, reads the point nearest to it, and chooses.

const STEP = 10, FAR = 60; // pixels an arrow moves the cross, and with Shift
const AROUND = 30; // pixels around the cross from which Shift and Enter choose
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
export const KEYS = "Arrow keys move the cross, with Shift further; Enter chooses the point nearest to it, Shift and Enter "
  + "all within the circle; + and − zoom, 0 shows the whole map, Escape clears the choice.";

export function listenToKeys(map) {
  map.canvas.addEventListener("keydown", (event) => {
    if (!map.panels || event.ctrlKey || event.metaKey || event.altKey || !press(map, event)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
    map.later();
  });
  map.canvas.addEventListener("focus", () => {
    if (!map.panels || !map.canvas.matches(":focus-visible")) return; // by a click
    map.cross = middle(map);
    map.later();
  });
  map.canvas.addEventListener("blur", () => {
    map.cross = null;
    map.leave();
    map.later();
  });
}

function press(map, { key, shiftKey }) {
  const cross = (map.cross ??= middle(map));
  const panel = map.panelAt(...cross);
  if (key in ARROWS) {
    const most = [map.canvas.clientWidth - 1, map.canvas.clientHeight - 1];
    map.cross = cross.map((at, n) => Math.min(most[n], Math.max(0, at + ARROWS[key][n] * (shiftKey ? FAR : STEP))));
    map.hover(...map.cross);
  } else if (key === "Enter" || key === " ") {
    const chosen = shiftKey ? around(map, panel, cross) : [map.nearest(panel, ...cross)].filter((i) => i >= 0);
    if (chosen.length) map.choose(chosen);
  } else if (key === "+" || key === "=") map.zoomAt(panel, ...cross, 0.8);
  else if (key === "-") map.zoomAt(panel, ...cross, 1.25);
  else if (key === "0") map.whole();
  else if (key === "Escape") map.clear();
  else return false;
  return true;
}

function middle({ panels: [{ box }] }) {
  return [box.x + box.w / 2, box.y + box.h / 2];
}

function around(map, panel, [x, y]) {
  const found = [];
  for (let i = 0; panel && i < map.count; i++) {
    const [px, py] = map.at(panel, i);
    if ((px - x) ** 2 + (py - y) ** 2 <= AROUND ** 2) found.push(i);
  }
  return found;
}

export function drawCross(pen, [x, y], colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.moveTo(x + 4 * dx, y + 4 * dy);
    pen.lineTo(x + 12 * dx, y + 12 * dy);
  }
  pen.moveTo(x + AROUND, y);
  pen.arc(x, y, AROUND, 0, 2 * Math.PI);
  pen.stroke();
}
