// What is seen as a PNG: planes with letters and scale bar, whose scan it is, the place, and what it may be used for.

import { mmText, toMm } from "./geometry.js";
import { element } from "./element.js";

const INK = "#e6e9ee", LINE = 20, GAP = 6;
const LIMIT = "Research use only. Not for diagnosis.";

/** Save one plane, or all planes of a viewer and of those that are linked with it. */
export function savePicture(viewer, panes, others = []) {
  const shown = [viewer, ...others].flatMap((one) => (one === viewer ? panes : one.panes)).filter(({ size }) => size[0] && size[1]);
  if (!shown.length) return;
  const canvas = compose(viewer, rows(shown, viewer));
  const name = [viewer.data.corner[0] ?? "scan", ...(shown.length === 1 ? [shown[0].plane] : [])].join("-");
  element("a", { href: canvas.toDataURL("image/png"), download: `${name.replace(/[^\p{L}\p{N}._-]+/gu, "_")}.png` }).click();
}

/** The viewer's own planes in the first row, those of the others two by two below it. */
function rows(panes, viewer) {
  const own = panes.filter((pane) => pane.viewer === viewer), others = panes.filter((pane) => pane.viewer !== viewer);
  const below = [];
  for (let n = 0; n < others.length; n += 2) below.push(others.slice(n, n + 2));
  return [own, ...below];
}

function compose(viewer, rows) {
  const ratio = window.devicePixelRatio || 1;
  const wide = (row) => row.reduce((sum, pane) => sum + pane.size[0] + GAP, -GAP);
  const tall = (row) => Math.max(...row.map((pane) => pane.size[1])) + (row[0].viewer === viewer ? 0 : LINE) + GAP;
  const lines = foot(viewer);
  const width = Math.max(420, ...rows.map(wide));
  const height = rows.reduce((sum, row) => sum + tall(row), 0) + lines.length * LINE + GAP;
  const canvas = element("canvas", { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillRect(0, 0, width, height);
  context.font = "500 13px system-ui, sans-serif";
  context.fillStyle = INK;
  let y = 0;
  for (const row of rows) {
    let x = 0;
    const title = row[0].viewer === viewer ? 0 : LINE;
    for (const pane of row) {
      const { header } = pane.viewer.data;
      if (title && header) context.fillText(`${header.title}: ${header.note}`, x + 4, y + 14, pane.size[0] - 8);
      context.drawImage(pane.canvas, x, y + title, ...pane.size);
      x += pane.size[0] + GAP;
    }
    y += tall(row);
  }
  lines.forEach((line, n) => context.fillText(line, 8, y + 15 + n * LINE, width - 16));
  return canvas;
}

function foot(viewer) {
  const { level, width } = viewer.window, { data, grid, cursor } = viewer;
  const round = (value) => Number(value.toPrecision(4));
  return [data.corner.join(" · "), `${mmText(toMm(grid, cursor))} mm (scanner) · level ${round(level)}, width ${round(width)} ${data.volume.unit}`.trim(), LIMIT]
    .filter(Boolean);
}
