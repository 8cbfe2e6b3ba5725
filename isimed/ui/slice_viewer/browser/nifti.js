// A scan as a NIfTI file in memory, as grey as it is drawn: for a viewer that reads files.

const MOST = 256; // voxels along an edge, what any graphics card takes

/** The bytes of a file of one byte a voxel, with the scan's affine; of a larger scan every second voxel, or fewer. */
export function nifti({ shape, affine, slope, intercept }, voxels, { level, width }) {
  const step = Math.ceil(Math.max(...shape) / MOST), size = shape.map((count) => Math.ceil(count / step));
  const file = new ArrayBuffer(352 + size[0] * size[1] * size[2]);
  const head = new DataView(file), grey = new Uint8Array(file, 352);
  const spacing = [0, 1, 2].map((axis) => step * Math.hypot(...affine.slice(0, 3).map((row) => row[axis])));
  head.setInt32(0, 348, true);
  [3, ...size, 1, 1, 1, 1].forEach((count, n) => head.setInt16(40 + 2 * n, count, true));
  head.setInt16(70, 2, true); // unsigned bytes
  head.setInt16(72, 8, true);
  [1, ...spacing].forEach((mm, n) => head.setFloat32(76 + 4 * n, mm, true));
  head.setFloat32(108, 352, true); // where the voxels begin
  head.setFloat32(112, 1, true);
  head.setUint8(123, 2); // mm
  head.setInt16(254, 1, true); // the affine is the scanner's
  affine.slice(0, 3).forEach((row, r) => row.forEach((value, c) => head.setFloat32(280 + 16 * r + 4 * c, c < 3 ? step * value : value, true)));
  [0x6e, 0x2b, 0x31, 0].forEach((byte, n) => head.setUint8(344 + n, byte)); // "n+1"
  for (let k = 0, out = 0; k < shape[2]; k += step) {
    for (let j = 0; j < shape[1]; j += step) {
      for (let i = 0; i < shape[0]; i += step) {
        const value = voxels[i + shape[0] * (j + shape[1] * k)] * slope + intercept;
        grey[out++] = Math.max(0, Math.min(255, 255 * ((value - level) / width + 0.5)));
      }
    }
  }
  return file;
}
