// What a map's picture is made of, besides its points: axes, colour bars, legends.

const FONT = "12px system-ui, sans-serif";

/** One pixel of [red, green, blue], as a canvas stores it. */
export const pack = ([red, green, blue]) => (255 << 24 | blue << 16 | green << 8 | red) >>> 0;

/** Which pixels around its centre a point of some width covers: x, y, x, y, … */
export function dot(width) {
  const radius = width / 2, reach = Math.ceil(radius), found = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= radius * radius) found.push(x, y);
  }
  return Int8Array.from(found);
}

/** Is a place within a closed path? Even-odd, as plotly's lasso. */
export function inside(path, x, y) {
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [xi, yi] = path[i], [xj, yj] = path[j];
    if ((yi > y) !== (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

/** Round numbers between two others, about so many. */
export function ticks(low, high, about) {
  const rough = (high - low) / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) found.push([n * step, (n * step).toFixed(digits).replace(/^-(0\.?0*)$/, "$1")]);
  return found;
}

export function axis(pen, panel, look, map) {
  const { x, y, w, h } = panel.box, { view } = panel;
  pen.fillStyle = look.panel;
  pen.fillRect(x, y, w, h);
  pen.strokeStyle = look.grid;
  pen.fillStyle = look.text;
  pen.font = FONT;
  pen.lineWidth = 1;
  const line = (x0, y0, x1, y1) => { pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke(); };
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const [value, text] of ticks(view.x - w / 2 / panel.sx, view.x + w / 2 / panel.sx, w / 80)) {
    const at = map.px(panel, value);
    line(at, y, at, y + h);
    pen.fillText(text, at, y + h + 4);
  }
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const [value, text] of ticks(view.y - h / 2 / panel.sy, view.y + h / 2 / panel.sy, h / 60)) {
    const at = map.py(panel, value);
    line(x, at, x + w, at);
    pen.fillText(text, x - 6, at);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  pen.fillText(panel.labels[0], x + w / 2, y + h + 21, w);
  pen.save();
  pen.translate(x - 54, y + h / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(panel.labels[1], 0, 0, h);
  pen.restore();
  if (panel.title) {
    pen.font = "14px system-ui, sans-serif";
    pen.fillText(panel.title, x + w / 2, y - 22, w);
    pen.font = FONT;
  }
  if (panel.bar) colourBar(pen, panel, look);
}

function colourBar(pen, { box, bar, shades }, look) {
  const w = Math.min(box.w * 0.92, 420), x = box.x + (box.w - w) / 2, y = box.y + box.h + 44;
  const gradient = pen.createLinearGradient(x, 0, x + w, 0);
  shades.forEach((shade, n) => gradient.addColorStop(n / (shades.length - 1), `rgb(${shade})`));
  pen.fillStyle = gradient;
  pen.fillRect(x, y, w, 10);
  pen.fillStyle = look.text;
  for (const [value, text] of ticks(bar.low, bar.high, 6)) {
    pen.fillText(text, x + (value - bar.low) / (bar.high - bar.low) * w, y + 13);
  }
  const [low, high] = bar.ends;
  pen.fillText(low ? `${low}  ←  ${bar.title}  →  ${high}` : bar.title, box.x + box.w / 2, y + 29, box.w);
}

export function legend(pen, entries, x, look) {
  pen.font = FONT;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  entries.forEach(([name, shade], n) => {
    pen.fillStyle = shade;
    pen.beginPath();
    pen.arc(x, 18 + 18 * n, 4.5, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = look.text;
    pen.fillText(name, x + 12, 18 + 18 * n, 144);
  });
}
