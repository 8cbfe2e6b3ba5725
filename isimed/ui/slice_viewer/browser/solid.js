// A scan in three dimensions over its planes, with the place where the crosshair is. NiiVue draws it; it is fetched from
// this server when it is first asked for, and gets the voxels that are here already.

import { element } from "./element.js";
import { toMm } from "./geometry.js";
import { CORNERS } from "./icons.js";
import { nifti } from "./nifti.js";

const NO_WEBGL = "This browser cannot draw in 3-D, since WebGL 2 is off or missing; the planes show the same place.";
const TURN = 10; // degrees at a key
const NO_CUT = 2; // as NiiVue says it
const CUTS = { // words, the side that is taken away so that the place is seen, and from where one looks, in degrees
  whole: ["Whole", [0, 0], [110, 10]],
  axial: ["Cut axial", [180, 90], [180, 40]],
  coronal: ["Cut coronal", [180, 0], [155, 15]],
  sagittal: ["Cut sagittal", [270, 0], [110, 15]],
};

export function toggleSolid(viewer) {
  if (viewer.solid) closeSolid(viewer);
  else viewer.solid = new Solid(viewer);
}

export function closeSolid(viewer) {
  viewer.solid?.close();
  viewer.solid = null;
}

class Solid {
  constructor(viewer) {
    this.viewer = viewer;
    this.cut = "axial";
    this.before = viewer.root.getRootNode().activeElement;
    this.canvas = element("canvas", { className: "scan", tabIndex: 0, role: "img",
      "aria-label": "The scan in 3-D. Drag or arrow keys turn it, the wheel zooms." });
    this.words = element("span", { role: "status", textContent: "Loading…" });
    this.cuts = element("select", { "aria-label": "What is cut away", onchange: () => this.show(this.cuts.value) },
      ...Object.entries(CUTS).map(([value, [textContent]]) => element("option", { value, textContent, selected: value === this.cut })));
    const full = element("button", { innerHTML: CORNERS, title: "Full screen", "aria-label": "3-D on the full screen",
      onclick: () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen()) });
    const shut = element("button", { textContent: "Close", "aria-label": "Close the 3-D view", onclick: () => closeSolid(viewer) });
    this.root = element("div", { className: "solid", role: "dialog", "aria-label": "3-D", onkeydown: (event) => this.key(event) },
      this.canvas, element("div", { className: "bar" }, this.cuts, full, shut), this.words);
    viewer.stage.append(this.root);
    this.root.solid = this; // for tests
    queueMicrotask(() => shut.focus()); // after whoever opened it
    this.load();
  }

  async load() {
    try {
      if (!document.createElement("canvas").getContext("webgl2")) throw new Error(NO_WEBGL);
      const { Niivue } = await import("./niivue.js");
      const { data, voxels, window } = this.viewer;
      if (this.closed || !voxels) return;
      const scan = new Niivue({ backColor: [0, 0, 0, 1], crosshairColor: [0.36, 0.78, 0.88, 1], show3Dcrosshair: true, isOrientCube: true,
        dragAndDropEnabled: false, logLevel: "error", loadingText: "", viewModeHotKey: "", clipPlaneHotKey: "", isRuler: false });
      await scan.attachToCanvas(this.canvas);
      await scan.loadFromArrayBuffer(nifti(data.volume, voxels, window), "scan.nii");
      if (this.closed) return void this.end(scan);
      this.scan = scan;
      scan.setSliceType(scan.sliceTypeRender);
      scan.setClipPlaneColor([0, 0, 0, 0]);
      this.show(this.cut);
      this.words.textContent = "";
    } catch (error) {
      this.words.textContent = error instanceof TypeError ? "The server cannot be reached: close this and try again." : error.message;
    }
  }

  /** Look at a cut through the place, or at the whole. */
  show(cut) {
    this.cut = cut;
    this.scan?.setRenderAzimuthElevation(...CUTS[cut][2]);
    this.point();
  }

  /** The crosshair was moved: the place and the cut go along. */
  point() {
    if (!this.scan) return;
    const place = this.scan.mm2frac(toMm(this.viewer.grid, this.viewer.cursor));
    this.scan.scene.crosshairPos = place;
    const [azimuth, elevation] = CUTS[this.cut][1];
    const kept = this.scan.sph2cartDeg(azimuth + 180, elevation); // towards the side that stays
    const depth = this.cut === "whole" ? NO_CUT : kept.reduce((sum, part, axis) => sum - part * (place[axis] - 0.5), 0);
    this.scan.setClipPlane([depth, azimuth, elevation]);
  }

  key(event) {
    const turn = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, TURN], ArrowDown: [0, -TURN] }[event.key];
    if (event.key === "Escape" && !document.fullscreenElement) closeSolid(this.viewer);
    else if (turn && event.target === this.canvas && this.scan) {
      const { renderAzimuth, renderElevation } = this.scan.scene;
      this.scan.setRenderAzimuthElevation(renderAzimuth + turn[0], renderElevation + turn[1]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    this.closed = true;
    if (this.scan) this.end(this.scan);
    this.root.remove();
    this.before?.focus();
  }

  end(scan) {
    scan.cleanup();
    scan.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
