// How large each plane is drawn. Pure functions of the grid and the width at hand.

import { AXES, frameMm } from "./geometry.js";

const PANEL = 160; // pixels that the panel gets at least
const USUAL = 900; // pixels of a window's height
const LEAST = 300; // pixels of the planes together

/** Planes side by side: columns as wide as their millimetres, all as tall as the tallest needs. */
export function rowLayout(grid, planes, width, { height = null, least = 260, most = 580 } = {}) {
  const mm = frameMm(grid);
  const widths = planes.map((plane) => mm[AXES[plane][0]]);
  const total = widths.reduce((sum, one) => sum + one, 0);
  const wanted = Math.max(...planes.map((plane) => (mm[AXES[plane][1]] * width) / total));
  const columns = widths.map((one) => Math.max(one, total / 5));
  return { columns, rows: [height ?? Math.round(Math.min(most, Math.max(least, wanted)))] };
}

/** The planes' height in this window: `height` pixels are meant for a usual one. In a lower one the strip of pictures
 * below gives way as well, so the planes lose less than the window. */
export function heightIn(window, height, grows) {
  const more = window - USUAL;
  return Math.max(LEAST * grows, height + grows * (more < 0 ? 0.65 * more : more));
}

/** Axial and coronal above, sagittal and the panel below; together at most `most` pixels tall, unless the panel's
 * content needs more. */
export function gridLayout(grid, width, most, content = 0) {
  const mm = frameMm(grid), half = width / 2;
  const tall = (plane) => (mm[AXES[plane][1]] / mm[AXES[plane][0]]) * half;
  const above = Math.min(1.6 * half, Math.max(tall("axial"), tall("coronal")));
  const panel = Math.max(PANEL, content);
  const below = Math.max(panel, Math.min(1.6 * half, tall("sagittal")));
  const fit = Math.min(1, (most - PANEL) / above, most / (above + below));
  const second = Math.max(panel, Math.round(below * fit));
  return { columns: [1, 1], rows: [Math.round(Math.min(above, most - PANEL, Math.max(most - second, most * 0.45))), second] };
}
