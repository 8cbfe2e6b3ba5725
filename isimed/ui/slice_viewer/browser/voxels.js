// Voxels in the browser: fetched once by URL, kept between reruns, cut into slices.

import { AXES } from "./geometry.js";

const TYPES = { uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array };
const KEEP_BYTES = 800e6;
const loads = new Map(); // url -> {promise, bytes}, least recently used first

/** The typed array behind a source {url, dtype, shape}; x is its fastest axis. */
export function load(source) {
  const known = loads.get(source.url);
  loads.delete(source.url);
  const entry = known ?? { promise: fetchVoxels(source), bytes: 0 };
  loads.set(source.url, entry);
  if (!known) {
    entry.promise.then((voxels) => { entry.bytes = voxels.byteLength; forgetOldest(); },
      () => loads.delete(source.url));
  }
  return entry.promise;
}

async function fetchVoxels({ url, dtype, shape }) {
  const response = await fetch(new URL(url, document.baseURI), { credentials: "same-origin" });
  if (response.status === 404) throw new Error("The server no longer holds this scan: reload the page.");
  if (!response.ok) throw new Error(`The server answered ${response.status} when asked for this scan.`);
  const voxels = new TYPES[dtype](await response.arrayBuffer());
  if (voxels.length !== shape[0] * shape[1] * shape[2]) throw new Error("The scan arrived incomplete.");
  return voxels;
}

function forgetOldest() {
  let total = 0;
  for (const { bytes } of loads.values()) total += bytes;
  for (const [url, { bytes }] of loads) {
    if (total <= KEEP_BYTES || loads.size === 1) return;
    loads.delete(url);
    total -= bytes;
  }
}

/** One slice: {width, height, values}, rows in order of the index drawn upwards. */
export function cut(voxels, shape, plane, slice) {
  const [across, up, through] = AXES[plane];
  const stride = [1, shape[0], shape[0] * shape[1]];
  const width = shape[across], height = shape[up];
  const values = new voxels.constructor(width * height);
  for (let row = 0, out = 0; row < height; row++) {
    let at = slice * stride[through] + row * stride[up];
    for (let column = 0; column < width; column++, at += stride[across]) values[out++] = voxels[at];
  }
  return { width, height, values };
}

/** How each kind of slab makes one value of two; the mean is a sum until it is divided. */
const SLABS = { MIP: Math.max, MinIP: Math.min, Mean: (a, b) => a + b };
export const SLAB_KINDS = Object.keys(SLABS);

/** The slices of a slab around one: [first, last], inside the volume. */
export function slabEnds(grid, through, slice, { mm }) {
  const count = Math.max(1, Math.round(mm / grid.spacing[through]));
  const first = Math.max(0, slice - Math.floor((count - 1) / 2));
  return [first, Math.min(grid.shape[through] - 1, first + count - 1)];
}

/** Brightest, darkest or mean value through a slab, as one slice. */
export function cutSlab(voxels, grid, plane, slice, slab) {
  const [first, last] = slabEnds(grid, AXES[plane][2], slice, slab), merge = SLABS[slab.kind];
  const { width, height, values } = cut(voxels, grid.shape, plane, first);
  const merged = Float64Array.from(values);
  for (let n = first + 1; n <= last; n++) {
    const next = cut(voxels, grid.shape, plane, n).values;
    for (let p = 0; p < merged.length; p++) merged[p] = merge(merged[p], next[p]);
  }
  const share = slab.kind === "Mean" ? last - first + 1 : 1;
  for (let p = 0; p < merged.length; p++) values[p] = Math.round(merged[p] / share);
  return { width, height, values };
}

export function at(voxels, shape, [i, j, k]) {
  return voxels[i + shape[0] * (j + shape[1] * k)];
}

/** Grey value (as 0xAABBGGRR) of every raw value from `first` on, for a window in real units. */
export function greyTable({ low, high, slope, intercept }, { level, width }) {
  const table = new Uint32Array(high - low + 1);
  for (let raw = low; raw <= high; raw++) {
    const grey = 255 * ((raw * slope + intercept - level) / width + 0.5);
    table[raw - low] = 0xff000000 | (Math.max(0, Math.min(255, Math.round(grey))) * 0x010101);
  }
  return table;
}

/** Paint a slice through a colour table into a small canvas, one pixel a voxel. */
export function paint(slice, table, first, canvas) {
  canvas.width = slice.width;
  canvas.height = slice.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(slice.width, slice.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let p = 0; p < pixels.length; p++) pixels[p] = table[slice.values[p] - first];
  context.putImageData(image, 0, 0);
  return canvas;
}
