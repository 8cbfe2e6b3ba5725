// Viewers that go along: what moves by so many millimetres in one patient moves by as many in the others.
//
// Every linked viewer has an anchor, the place that Python put its crosshair: the same anatomy in all. Millimetres
// away from it are only nearly the same anatomy; a click asks the network again and sets new anchors.

import { toMm } from "./geometry.js";

const ZOOMS = [0.5, 40];
export const link = { on: true };

export function follow(moved, viewers) {
  const { cursor } = moved.data;
  if (!cursor) return;
  const from = toMm(moved.grid, cursor), to = toMm(moved.grid, moved.cursor);
  for (const other of linkedWith(moved, viewers)) {
    const mm = toMm(other.grid, other.data.cursor).map((v, axis) => v + to[axis] - from[axis]);
    other.place(toMm({ affine: other.grid.inverse }, mm));
  }
}

/** Linked viewers zoom by the same factor around their own crosshair, and move by the same millimetres. */
export function followView(moved, viewers, { factor = 1, mm = [0, 0, 0] }) {
  for (const other of linkedWith(moved, viewers)) {
    const zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], other.zoom * factor));
    const centre = other.centre.map((c, axis) =>
      other.cursor[axis] + ((c - other.cursor[axis]) * other.zoom) / zoom + mm[axis] / other.grid.spacing[axis]);
    other.look({ zoom, centre });
  }
}

/** Linked viewers get the same window where values have a unit (HU); else one that lies alike in their own range. */
export function followWindow(moved, viewers) {
  const own = moved.data.first_window, { level, width } = moved.window;
  for (const other of linkedWith(moved, viewers)) {
    const theirs = moved.data.volume.unit && other.data.volume.unit === moved.data.volume.unit ? own : other.data.first_window;
    const scale = theirs.width / own.width;
    other.showWindow({ level: theirs.level + (level - own.level) * scale, width: width * scale });
  }
}

/** The other viewers that go along with one. */
export function linkedWith(moved, viewers) {
  const { link: group } = moved.data;
  return group && link.on ? [...viewers].filter((other) => other !== moved && other.data?.link === group && other.data.cursor) : [];
}
