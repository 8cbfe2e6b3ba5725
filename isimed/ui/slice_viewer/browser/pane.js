// One plane: its canvas, and what is drawn on it.

import { letters, planeView, scaleBarMm, toScreen } from "./geometry.js";
import { drawBoxes, drawHeat, drawLabels, drawMarkers, drawVoxels, text } from "./overlays.js";
import { drawMeasures } from "./measure.js";
import { element } from "./element.js";
import { CORNERS } from "./icons.js";
import { cut, cutSlab, paint, slabEnds } from "./voxels.js";

const TITLES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };
const INK = "#e6e9ee";
const CROSSHAIR = "rgba(122, 200, 235, 0.75)";

export class Pane {
  constructor(plane, viewer) {
    this.plane = plane;
    this.viewer = viewer;
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.dataset.plane = plane;
    this.canvas.setAttribute("role", "img");
    this.full = element("button", { className: "full", innerHTML: CORNERS, title: "Full screen (F)", "aria-label": `${TITLES[plane]} plane on the full screen`,
      onclick: () => this.toggleFull() });
    this.box = element("div", { className: "pane" }, this.canvas, this.full);
    this.scan = document.createElement("canvas");
    this.overlay = document.createElement("canvas");
    this.painted = null; // what `scan` shows now
  }

  /** The canvas in CSS pixels. */
  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.box.requestFullscreen().then(() => this.canvas.focus(), () => this.viewer.say("This browser allows no full screen."));
  }

  view() {
    const { convention, grid, zoom, centre } = this.viewer;
    return planeView(this.plane, convention, grid, this.size, { zoom, centre });
  }

  draw() {
    const { viewer, canvas } = this;
    const [width, height] = this.size;
    if (!width || !height) return;
    const sharpness = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * sharpness);
    canvas.height = Math.round(height * sharpness);
    const context = canvas.getContext("2d");
    context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!viewer.voxels) return;
    const view = this.view();
    const slice = viewer.cursor[view.through];
    this.drawScan(context, view, slice);
    this.drawOverlays(context, view, slice);
    if (viewer.data.crosshair) this.drawCrosshair(context, view);
    this.drawFrame(context, view, slice);
    this.describe(slice, viewer.grid.shape[view.through]);
  }

  drawScan(context, view, slice) {
    const { viewer } = this;
    const { grid, slab, voxels } = viewer;
    const wanted = `${viewer.data.volume.url} ${slice} ${viewer.window.level} ${viewer.window.width} ${slab?.kind} ${slab?.mm}`;
    if (this.painted !== wanted) {
      const shown = slab ? cutSlab(voxels, grid, this.plane, slice, slab) : cut(voxels, grid.shape, this.plane, slice);
      paint(shown, viewer.greys(), viewer.data.volume.low, this.scan);
      this.painted = wanted;
    }
    drawVoxels(context, view, this.scan, viewer.grid.shape, true);
  }

  drawOverlays(context, view, slice) {
    const { data, grid, heat, labels, heatOpacity, labelMode } = this.viewer;
    if (heat && heatOpacity > 0) drawHeat(context, view, grid.shape, slice, heat, heatOpacity, this.overlay);
    if (labels && labelMode !== "off") drawLabels(context, view, grid.shape, slice, labels, labelMode, this.overlay);
    drawBoxes(context, view, slice, data.boxes);
    drawMarkers(context, view, slice, grid.spacing, data.markers);
    drawMeasures(context, view, slice, this.viewer);
  }

  drawCrosshair(context, view) {
    const [x, y] = toScreen(view, this.viewer.cursor);
    const [width, height] = this.size;
    const gap = 8, rim = 24; // the place itself and the orientation letters stay free
    context.strokeStyle = CROSSHAIR;
    context.lineWidth = 1;
    context.beginPath();
    const arms = [[rim, y, x - gap, y], [x + gap, y, width - rim, y], [x, rim, x, y - gap], [x, y + gap, x, height - rim]];
    for (const [x0, y0, x1, y1] of arms) {
      if (x0 > x1 || y0 > y1) continue;
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
  }

  /** What a slab really holds: whole slices. "" for one slice. */
  slabWords(view, slice) {
    const { grid, slab } = this.viewer;
    if (!slab) return "";
    const [first, last] = slabEnds(grid, view.through, slice, slab);
    return `${slab.kind} ${Number(((last - first + 1) * grid.spacing[view.through]).toFixed(1))} mm`;
  }

  /** Letters, slice number, scale bar, and whose scan it is. */
  drawFrame(context, view, slice) {
    const { convention, data, grid } = this.viewer;
    const [width, height] = this.size;
    const side = letters(this.plane, convention);
    const style = { align: "center", size: data.compact ? 12 : 15, weight: 700 };
    text(context, side.left, 12, height / 2 + 5, INK, style);
    text(context, side.right, width - 12, height / 2 + 5, INK, style);
    if (data.compact) return;
    text(context, side.top, width / 2, 18, INK, style);
    text(context, side.bottom, width / 2, height - 8, INK, style);
    const number = `${slice + 1} / ${grid.shape[view.through]}`;
    if (width < 320) text(context, number, 8, 34, INK); // or it runs into the letter above
    text(context, width < 320 ? TITLES[this.plane] : `${TITLES[this.plane]}  ${number}`, 8, 18, INK);
    const slab = this.slabWords(view, slice);
    if (slab) text(context, slab, 8, width < 320 ? 50 : 34, INK);
    data.corner.forEach((line, n) => text(context, line, 8, height - 9 - 15 * (data.corner.length - 1 - n), INK, { size: 11, most: width / 2 - 20 }));
    const mm = scaleBarMm(view, width / 3.6), length = mm * view.scale;
    context.fillStyle = INK;
    context.fillRect(width - 10 - length, height - 10, length, 2);
    text(context, mm >= 10 ? `${mm / 10} cm` : `${mm} mm`, width - 10 - length / 2, height - 15, INK, { align: "center" });
  }

  describe(slice, count) {
    const how = this.viewer.data.compact ? "" : " Arrow keys change the slice, Enter chooses the crosshair's voxel, ? shows all keys.";
    const slab = this.slabWords(this.view(), slice).replace(" ", " of ");
    this.canvas.setAttribute("aria-label",
      `${TITLES[this.plane]} plane, slice ${slice + 1} of ${count},${slab && ` ${slab},`} ${this.viewer.convention} convention.${how}`);
  }
}
