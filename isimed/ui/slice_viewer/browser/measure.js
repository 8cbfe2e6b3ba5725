// Distances and circles: drawn in the browser, in millimetres through the affine; Python keeps them and adds figures.

import { toMm, toScreen, toVoxel } from "./geometry.js";
import { text } from "./overlays.js";

export const TOOLS = { distance: "Distance", circle: "Circle" };
const COLOUR = "#e460c0"; // for the colour-blind, too, neither a box, a point, an organ nor a grey

/** Millimetres between two voxels. */
export function distanceMm(grid, [a, b]) {
  const from = toMm(grid, a), to = toMm(grid, b);
  return Math.hypot(...from.map((v, axis) => v - to[axis]));
}

/** What is known of a measurement while it is drawn. */
function words(grid, { kind, ends }) {
  const mm = distanceMm(grid, ends);
  return kind === "circle" ? `radius ${mm.toFixed(1)} mm · ${(Math.PI * mm * mm).toFixed(0)} mm²` : `${mm.toFixed(1)} mm`;
}

/** All measurements whose ends lie on the slice shown, and the one that is being drawn. */
export function drawMeasures(context, view, slice, viewer) {
  const { data, draft, grid } = viewer;
  for (const one of [...data.measures, ...(draft ? [{ ...draft, words: words(grid, draft) }] : [])]) {
    if (isHere(view, slice, one)) draw(context, view, grid, one);
  }
}

/** Flat on this slice; a line that is flat in no plane of its own is seen on all slices from end to end. */
function isHere(view, slice, { kind, plane, ends }) {
  if (kind === "circle" && plane !== view.plane) return false;
  const depth = (axis) => ends.map((end) => end[axis]);
  const flat = (axis) => Math.abs(depth(axis)[0] - depth(axis)[1]) <= 0.5;
  const [low, high] = [Math.min(...depth(view.through)), Math.max(...depth(view.through))];
  return [0, 1, 2].some(flat) && !flat(view.through) ? false : slice >= low - 0.5 && slice <= high + 0.5;
}

function draw(context, view, grid, { kind, ends, words }) {
  const [a, b] = ends.map((end) => toScreen(view, end));
  context.save();
  context.strokeStyle = COLOUR;
  context.lineWidth = 1.5;
  context.beginPath();
  const lowest = view.size[1] - 30; // below it are the letter, the scale and whose scan it is
  let at = b;
  if (kind === "circle") {
    const radius = distanceMm(grid, ends) * view.scale;
    context.arc(a[0], a[1], radius, 0, 2 * Math.PI);
    const below = a[1] + radius + 18;
    at = [a[0], below - 6 <= lowest ? below : a[1] - radius]; // in the middle, above it where there is no room below
  } else {
    context.moveTo(...a);
    context.lineTo(...b);
    for (const [x, y] of [a, b]) {
      context.moveTo(x + 3, y);
      context.arc(x, y, 3, 0, 2 * Math.PI);
    }
  }
  context.stroke();
  context.font = "500 12px system-ui, sans-serif";
  const wide = context.measureText(words).width;
  const x = kind === "circle" ? at[0] - wide / 2 : at[0] + 8;
  const inside = (value, most) => Math.max(4, Math.min(most, value));
  text(context, words, inside(x, view.size[0] - wide - 4), Math.max(14, inside(at[1] - 6, lowest)), COLOUR);
  context.restore();
}

/** A drag with a tool in hand, from one point of a pane to another. */
export function drag(viewer, pane, from, to) {
  const view = pane.view();
  viewer.look({ draft: { kind: viewer.tool, plane: pane.plane, ends: [from, to].map((p) => toVoxel(view, p, viewer.cursor)) } });
}

/** With keys alone: the first press sets an end at the crosshair, the next one the other. */
export function byKey(viewer, kind, plane) {
  const { draft } = viewer;
  if (draft?.byKey && draft.kind === kind && draft.plane === plane) return finish(viewer);
  viewer.look({ draft: { kind, plane, ends: [viewer.cursor, viewer.cursor], byKey: true } });
}

export function stretch(viewer) {
  if (viewer.draft?.byKey) viewer.draft = { ...viewer.draft, ends: [viewer.draft.ends[0], viewer.cursor] };
}

/** Hand it to Python; it stays drawn until Python's own comes back. */
export function finish(viewer) {
  const { draft, grid } = viewer;
  if (!draft || distanceMm(grid, draft.ends) < 0.1) return viewer.look({ draft: null });
  viewer.draft = { ...draft, byKey: false };
  viewer.send("measure", { kind: draft.kind, plane: draft.plane, ends: draft.ends, count: ++viewer.clicks,
    url: viewer.data.volume.url });
}
