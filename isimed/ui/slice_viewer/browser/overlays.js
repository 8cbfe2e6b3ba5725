// What is drawn over the scan: heat map, label map, crop boxes, markers.

import { boxOnSlice, toScreen } from "./geometry.js";
import { cut, paint } from "./voxels.js";

const HEAT = ["#1b0c41", "#781c6d", "#cf4446", "#f8961e", "#f9f871"]; // weak to strong, as in inferno

/** Draw a small canvas (one pixel a voxel) over the `shape` voxels of a plane. */
export function drawVoxels(context, view, canvas, shape, smooth) {
  const stretchX = shape[view.across] / canvas.width, stretchY = shape[view.up] / canvas.height;
  context.save();
  context.transform(view.x.step * stretchX, 0, 0, view.y.step * stretchY,
    view.x.origin - view.x.step / 2, view.y.origin - view.y.step / 2);
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0);
  context.restore();
}

export function heatGradient() {
  return `linear-gradient(to right, ${HEAT.join(", ")})`;
}

/** Colour of every raw heat value: 0 is "no value", 1 weak to 255 strong; weak lets the scan through. */
function heatTable() {
  const table = new Uint32Array(256);
  for (let raw = 1; raw < 256; raw++) {
    const strength = (raw - 1) / 254, place = strength * (HEAT.length - 1);
    const below = Math.min(HEAT.length - 2, Math.floor(place)), part = place - below;
    const [r, g, b] = rgb(HEAT[below]).map((c, n) => Math.round(c + part * (rgb(HEAT[below + 1])[n] - c)));
    table[raw] = ((Math.round(255 * strength ** 2) << 24) | (b << 16) | (g << 8) | r) >>> 0;
  }
  return table;
}

const HEAT_TABLE = heatTable();

function rgb(colour) {
  return [1, 3, 5].map((n) => parseInt(colour.slice(n, n + 2), 16));
}

/** The heat map; it fills the same box as the scan and may have fewer voxels. */
export function drawHeat(context, view, shape, slice, heat, opacity, canvas) {
  const own = heat.source.shape, n = view.through;
  const ownSlice = Math.floor(((slice + 0.5) * own[n]) / shape[n]);
  context.save();
  context.globalAlpha = opacity;
  drawVoxels(context, view, paint(cut(heat.voxels, own, view.plane, ownSlice), HEAT_TABLE, 0, canvas), shape, true);
  context.restore();
}

/** The label map, as translucent fill or as contour along the voxels' edges. */
export function drawLabels(context, view, shape, slice, labels, mode, canvas) {
  const shown = labels.source.names.filter(({ value }) => !labels.hidden.has(value));
  const cutting = cut(labels.voxels, shape, view.plane, slice);
  if (mode === "fill") {
    const table = new Uint32Array(65536);
    for (const { value, colour } of shown) {
      const [r, g, b] = rgb(colour);
      table[value] = ((110 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
    drawVoxels(context, view, paint(cutting, table, 0, canvas), shape, false);
    return;
  }
  context.save();
  context.lineWidth = 1.5;
  for (const { value, colour } of shown) {
    context.strokeStyle = colour;
    context.stroke(outline(cutting, value, view));
  }
  context.restore();
}

function outline({ width, height, values }, value, view) {
  const path = new Path2D();
  const x = (column) => view.x.origin + view.x.step * (column - 0.5);
  const y = (row) => view.y.origin + view.y.step * (row - 0.5);
  const inside = (column, row) =>
    column >= 0 && row >= 0 && column < width && row < height && values[row * width + column] === value;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      if (values[row * width + column] !== value) continue;
      if (!inside(column - 1, row)) line(path, x(column), y(row), x(column), y(row + 1));
      if (!inside(column + 1, row)) line(path, x(column + 1), y(row), x(column + 1), y(row + 1));
      if (!inside(column, row - 1)) line(path, x(column), y(row), x(column + 1), y(row));
      if (!inside(column, row + 1)) line(path, x(column), y(row + 1), x(column + 1), y(row + 1));
    }
  }
  return path;
}

function line(path, x0, y0, x1, y1) {
  path.moveTo(x0, y0);
  path.lineTo(x1, y1);
}

/** Crop boxes at their true size, on the slices that cut them. */
export function drawBoxes(context, view, slice, boxes) {
  for (const box of boxes) {
    const cutting = boxOnSlice(view, box, slice);
    if (!cutting) continue;
    context.lineWidth = 1.5;
    context.strokeStyle = box.colour;
    context.strokeRect(cutting.x, cutting.y, cutting.width, cutting.height);
    if (box.name) text(context, box.name, cutting.x, cutting.y - 5, box.colour);
  }
}

/** Markers: full on their own slice, faint up to 5 mm away. */
export function drawMarkers(context, view, slice, spacing, markers) {
  for (const marker of markers) {
    const away = Math.abs(slice - marker.voxel[view.through]);
    if (away > 0.5 && away * spacing[view.through] > 5) continue;
    const [x, y] = toScreen(view, marker.voxel);
    context.save();
    context.globalAlpha = away <= 0.5 ? 1 : 0.45;
    context.lineWidth = 2;
    context.strokeStyle = marker.colour;
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    context.stroke();
    if (marker.name) text(context, marker.name, x + 9, y + 4, marker.colour);
    context.restore();
  }
}

/** Text that stays legible on any grey. */
export function text(context, words, x, y, colour, { align = "left", size = 12, weight = 500, most = Infinity } = {}) {
  context.save();
  context.font = `${weight} ${size}px system-ui, sans-serif`;
  context.textAlign = align;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  words = shortened(context, words, most);
  context.strokeText(words, x, y);
  context.fillStyle = colour;
  context.fillText(words, x, y);
  context.restore();
}

/** Words that fit a width, cut with "…" where they do not. */
function shortened(context, words, most) {
  if (context.measureText(words).width <= most) return words;
  let end = words.length;
  while (end > 1 && context.measureText(`${words.slice(0, end)}…`).width > most) end--;
  return `${words.slice(0, end)}…`;
}
