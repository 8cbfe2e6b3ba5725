// Where a voxel is on the screen, and the way back. Pure functions; drawing and picking share them.
//
// A grid is {shape: [X, Y, Z], spacing: [mm, mm, mm], affine: 4 rows of 4, frame: [first, last] voxel of the part
// worth seeing}. Voxel indices rise towards the patient's right (X), anterior (Y) and superior (Z); an integer
// index is the centre of its voxel.

// For each plane: the axis drawn across, the axis drawn upwards, the axis the slices go through.
export const AXES = { axial: [0, 1, 2], coronal: [0, 2, 1], sagittal: [1, 2, 0] };
export const PLANES = Object.keys(AXES);

const FALLS = ["L", "P", "I"]; // the side an index falls towards
const RISES = ["R", "A", "S"]; // the side it rises towards

/** Does the index drawn across rise towards the viewer's left?
 * Radiological: the patient's right is on the viewer's left. Sagittal planes always look from the patient's
 * left side, nose to the viewer's left. */
export function runsLeft(plane, convention) {
  return plane === "sagittal" || convention === "radiological";
}

/** The orientation letters at the four edges of a plane. */
export function letters(plane, convention) {
  const [across, up] = AXES[plane];
  const [left, right] = runsLeft(plane, convention)
    ? [RISES[across], FALLS[across]]
    : [FALLS[across], RISES[across]];
  return { left, right, top: RISES[up], bottom: FALLS[up] };
}

/** How one plane is drawn: for voxel v, screen x = x.origin + x.step * v[across], and y likewise.
 * `size` is the canvas in CSS pixels, `centre` the voxel in its middle, zoom 1 fits the grid's frame. */
export function planeView(plane, convention, grid, size, { zoom = 1, centre = middle(grid) } = {}) {
  const [across, up, through] = AXES[plane];
  const extent = frameMm(grid);
  const scale = zoom * Math.min(size[0] / extent[across], size[1] / extent[up]); // pixels per mm
  const stepX = (runsLeft(plane, convention) ? -1 : 1) * scale * grid.spacing[across];
  const stepY = -scale * grid.spacing[up];
  return {
    plane, across, up, through, scale, size,
    x: { step: stepX, origin: size[0] / 2 - stepX * centre[across] },
    y: { step: stepY, origin: size[1] / 2 - stepY * centre[up] },
  };
}

/** Edge lengths of the frame in mm. */
export function frameMm({ frame: [first, last], spacing }) {
  return spacing.map((mm, axis) => (last[axis] - first[axis] + 1) * mm);
}

/** The fractional voxel in the middle of the frame. */
export function middle({ frame: [first, last] }) {
  return first.map((f, axis) => (f + last[axis]) / 2);
}

/** The same, moved to a voxel along the axes where the frame does not show it. */
export function middleShowing(grid, voxel) {
  const [first, last] = grid.frame;
  return middle(grid).map((m, axis) => (voxel[axis] < first[axis] || voxel[axis] > last[axis] ? voxel[axis] : m));
}

/** Voxel (fractional allowed) -> [x, y] in CSS pixels. */
export function toScreen(view, voxel) {
  return [view.x.origin + view.x.step * voxel[view.across], view.y.origin + view.y.step * voxel[view.up]];
}

/** [x, y] in CSS pixels -> fractional voxel; the index along the slices is taken from `at`. */
export function toVoxel(view, [x, y], at) {
  const voxel = [...at];
  voxel[view.across] = (x - view.x.origin) / view.x.step;
  voxel[view.up] = (y - view.y.origin) / view.y.step;
  return voxel;
}

/** The voxel whose box holds a fractional voxel, or null outside the grid. */
export function holding(grid, voxel) {
  const index = voxel.map((v) => Math.floor(v + 0.5));
  return index.every((v, axis) => v >= 0 && v < grid.shape[axis]) ? index : null;
}

/** The voxel of the grid nearest to a fractional voxel. */
export function clamped(grid, voxel) {
  return voxel.map((v, axis) => Math.min(grid.shape[axis] - 1, Math.max(0, Math.floor(v + 0.5))));
}

/** Voxel -> scanner millimetres (R A S). */
export function toMm(grid, voxel) {
  return grid.affine.slice(0, 3).map((row) => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3]);
}

/** Millimetres in words that cannot be mistaken: "R 12.0 · P 4.5 · S 100.0". */
export function mmText(mm) {
  return mm.map((v, axis) => `${(v < 0 ? FALLS : RISES)[axis]} ${Math.abs(v).toFixed(1)}`).join(" · ");
}

/** How far a place lies from the body's middle, "24 mm left of the midline"; "" where the middle is not known.
 * `midline` is {mm, near}: nearer than that no side is said, as in the line below the planes. */
export function midlineText([x], midline) {
  if (!midline) return "";
  const away = Math.abs(x - midline.mm) + 1e-6;
  if (away < midline.near) return "near the midline";
  return `${Math.floor(away + 0.5)} mm ${x > midline.mm ? "right" : "left"} of the midline`;
}

/** The centre which keeps the voxel under `point` in place when the zoom changes, and the crosshair in the other
 * planes. `state` is {zoom, centre, cursor}. */
export function centreForZoom(plane, convention, grid, size, state, zoom, point) {
  const old = planeView(plane, convention, grid, size, state);
  const before = toVoxel(old, point, state.centre);
  const after = toVoxel(planeView(plane, convention, grid, size, { ...state, zoom }), point, state.centre);
  const centre = state.centre.map((c, axis) => c + before[axis] - after[axis]);
  const at = state.cursor[old.through];
  centre[old.through] = at + ((centre[old.through] - at) * state.zoom) / zoom;
  return centre;
}

/** The centre after the picture was dragged by [dx, dy] CSS pixels. */
export function centreForPan(view, centre, [dx, dy]) {
  const moved = [...centre];
  moved[view.across] -= dx / view.x.step;
  moved[view.up] -= dy / view.y.step;
  return moved;
}

/** The longest round length in mm that is drawn in at most `pixels`. */
export function scaleBarMm(view, pixels) {
  const most = pixels / view.scale;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((n) => n * power <= most) * power;
}

/** The part of a box that a slice cuts, as screen rectangle {x, y, width, height}, or null.
 * A box is {centre: [i, j, k], half: [i, j, k]}, in voxels. */
export function boxOnSlice(view, box, slice) {
  if (Math.abs(slice - box.centre[view.through]) > box.half[view.through]) return null;
  const [x, y] = toScreen(view, box.centre);
  const width = 2 * box.half[view.across] * Math.abs(view.x.step);
  const height = 2 * box.half[view.up] * Math.abs(view.y.step);
  return { x: x - width / 2, y: y - height / 2, width, height };
}
