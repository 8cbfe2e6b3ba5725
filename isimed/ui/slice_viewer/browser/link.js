// Viewers that go along: what moves by so many millimetres in one patient moves by as many in the others.
//
// Every linked viewer has an anchor, the place that Python put its crosshair: the same anatomy in all. Millimetres
// away from it are only nearly the same anatomy; a click asks the network again and sets new anchors.

import { toMm } from "./geometry.js";

export const link = { on: true };

export function follow(moved, viewers) {
  const { cursor, link: group } = moved.data;
  if (!group || !link.on || !cursor) return;
  const from = toMm(moved.grid, cursor), to = toMm(moved.grid, moved.cursor);
  for (const other of viewers) {
    if (other === moved || other.data?.link !== group || !other.data.cursor) continue;
    const mm = toMm(other.grid, other.data.cursor).map((v, axis) => v + to[axis] - from[axis]);
    other.place(toMm({ affine: other.grid.inverse }, mm));
  }
}
