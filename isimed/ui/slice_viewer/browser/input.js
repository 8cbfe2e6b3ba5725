// Mouse, touch and keyboard on one pane, turned into the viewer's few verbs.

import { centreForPan, centreForZoom, clamped, holding, toVoxel } from "./geometry.js";
import { toggleHelp } from "./help.js";
import { byKey, drag as measure, finish } from "./measure.js";

const CLICK_PIXELS = 4; // a press that moved less is a click
const WHEEL_STEP = 50; // wheel units a slice
const DOUBLE_PRESS = 500; // milliseconds between presses that may still be one double click
const TOUCH_STEP = 12; // pixels of a finger a slice

export function listen(pane) {
  const { canvas, viewer } = pane;
  const pointers = new Map(); // pointer id -> last [x, y]
  let drag = null; // {kind, start, moved}
  let turned = 0;
  let pressed = -Infinity, held = null;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const step = (slices) => viewer.moveSlice(pane.plane, slices);
  const zoomAt = (point, factor) => {
    const zoom = Math.min(40, Math.max(0.5, viewer.zoom * factor));
    const centre = centreForZoom(pane.plane, viewer.convention, viewer.grid, pane.size, viewer, zoom, point);
    viewer.zoomTo(zoom, centre);
  };

  canvas.addEventListener("wheel", (event) => {
    if (!viewer.voxels || viewer.data.compact) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) return zoomAt(place(event), Math.exp(-event.deltaY / 400));
    const units = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * WHEEL_STEP;
    if (Math.abs(units) >= WHEEL_STEP) {
      turned = 0;
      return step(-Math.sign(units));
    }
    turned -= units; // a trackpad sends many small turns
    const slices = Math.trunc(turned / WHEEL_STEP);
    turned -= slices * WHEEL_STEP;
    if (slices) step(slices);
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.voxels) return;
    if (event.timeStamp - pressed > DOUBLE_PRESS) held = viewer.cursor; // where the crosshair was before both clicks
    pressed = event.timeStamp;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    drag = { kind: dragKind(event, viewer, pointers.size), start: place(event), moved: false };
    if (drag.kind !== "click") event.preventDefault();
    canvas.focus({ preventScroll: true });
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!viewer.voxels) return;
    const point = place(event), last = pointers.get(event.pointerId);
    viewer.pointAt(holding(viewer.grid, toVoxel(pane.view(), point, viewer.cursor)));
    if (!drag || !last) return;
    drag.moved ||= Math.hypot(point[0] - drag.start[0], point[1] - drag.start[1]) > CLICK_PIXELS;
    const by = [point[0] - last[0], point[1] - last[1]];
    if (!drag.moved) return;
    if (drag.kind === "pinch") pinch(event.pointerId, point, by);
    else if (drag.kind === "window") viewer.dragWindow(by, pane.size);
    else if (drag.kind === "measure") measure(viewer, pane, drag.start, point);
    else if (drag.kind === "pan") viewer.panTo(centreForPan(pane.view(), viewer.centre, by));
    else if (drag.kind === "finger") {
      turned -= by[1];
      const slices = Math.trunc(turned / TOUCH_STEP);
      turned -= slices * TOUCH_STEP;
      if (slices) step(slices);
    }
    pointers.set(event.pointerId, point);
  });

  /** Two fingers: their distance zooms, their movement pans. */
  function pinch(id, point, by) {
    const other = [...pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const last = pointers.get(id);
    const spread = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
    zoomAt([(point[0] + other[0]) / 2, (point[1] + other[1]) / 2], spread(point) / Math.max(1, spread(last)));
    viewer.panTo(centreForPan(pane.view(), viewer.centre, [by[0] / 2, by[1] / 2]));
  }

  canvas.addEventListener("pointerup", (event) => {
    pointers.delete(event.pointerId);
    if (drag?.kind === "measure" && drag.moved) finish(viewer);
    const clicked = drag && !drag.moved && drag.kind !== "pinch" && event.button === 0 && !event.shiftKey;
    if (pointers.size === 0) drag = null;
    if (!clicked || !viewer.voxels) return;
    const voxel = holding(viewer.grid, toVoxel(pane.view(), place(event), viewer.cursor));
    if (voxel) viewer.choose(voxel);
  });

  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => viewer.pointAt(null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => viewer.resetFrom(held ?? viewer.cursor));

  canvas.addEventListener("keydown", (event) => {
    if (!viewer.voxels || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!press(event, pane, step, zoomAt)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  });
}

function dragKind(event, viewer, fingers) {
  const plain = event.button === 0 && !event.shiftKey && fingers === 1;
  if (viewer.tool && plain) return "measure";
  if (event.pointerType === "touch") return fingers > 1 ? "pinch" : "finger";
  if (event.button === 2) return "window";
  if (event.button === 1 || event.shiftKey) return "pan";
  return viewer.dragMode === "window" ? "window" : "click";
}

function press(event, pane, step, zoomAt) {
  const { viewer } = pane;
  const arrow = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
  if (arrow && event.shiftKey) return nudge(event.key, pane);
  if (arrow) step(arrow);
  else if (event.key === "PageUp") step(10);
  else if (event.key === "PageDown") step(-10);
  else if (event.key === "+" || event.key === "=") zoomAt(pane.size.map((s) => s / 2), 1.25);
  else if (event.key === "-") zoomAt(pane.size.map((s) => s / 2), 0.8);
  else if (event.key === "0") viewer.reset();
  else if (event.key === "?") toggleHelp(viewer);
  else if (event.key === "Escape" && (viewer.draft || viewer.tool)) viewer.take(null);
  else if (/^[dc]$/i.test(event.key) && viewer.data.measures_here) {
    byKey(viewer, event.key.toLowerCase() === "d" ? "distance" : "circle", pane.plane);
  } else if (/^m$/i.test(event.key)) viewer.nextSlab();
  else if (/^f$/i.test(event.key)) pane.toggleFull();
  else if (/^p$/i.test(event.key)) viewer.save(event.shiftKey ? null : pane);
  else if (event.key === "Enter") viewer.choose(viewer.cursor);
  else if (/^[1-9]$/.test(event.key) && viewer.data.presets[event.key - 1]) viewer.setPreset(Number(event.key) - 1);
  else return false;
  return true;
}

/** Shift and an arrow move the crosshair by one voxel, in the direction seen. */
function nudge(key, pane) {
  const view = pane.view(), voxel = [...pane.viewer.cursor];
  if (key === "ArrowRight") voxel[view.across] += Math.sign(view.x.step);
  if (key === "ArrowLeft") voxel[view.across] -= Math.sign(view.x.step);
  if (key === "ArrowUp") voxel[view.up] += 1;
  if (key === "ArrowDown") voxel[view.up] -= 1;
  pane.viewer.moveTo(clamped(pane.viewer.grid, voxel));
  return true;
}
