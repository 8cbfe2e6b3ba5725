// A map of points in plain pixels: pan, zoom, hover, click and lasso happen here; only what is chosen goes to Python.

import { element } from "./element.js";
import { heightIn } from "./layout.js";
import { axis, dot, inside, legend, pack } from "./map_draw.js";
import { KEYS, drawCross, listenToKeys } from "./map_keys.js";
import { load } from "./voxels.js";

const NEAR = 8; // pixels within which the pointer means a point
const LEAST = 250; // pixels across that a panel needs to be read; narrower, and they stand below one another
const EDGE = { left: 58, right: 14, bottom: 42 };
const mounted = new WeakMap(); // Streamlit's parent element -> map
let count = 0; // rises, so that the same points can be chosen twice

export function mount({ data, parentElement, setTriggerValue }) {
  let map = mounted.get(parentElement);
  if (!map) {
    map = new PointMap();
    parentElement.append(
      element("link", { rel: "stylesheet", href: new URL("viewer.css", import.meta.url).href }), map.root);
    mounted.set(parentElement, map);
  }
  map.update(data, setTriggerValue);
  return () => {
    mounted.delete(parentElement);
    map.destroy();
  };
}

class PointMap {
  constructor() {
    this.views = new Map(); // of each panel's axes: {x, y} the ranges that are seen
    this.lasso = null;
    this.tool = "pan";
    this.canvas = element("canvas", { tabIndex: 0 });
    this.cross = null; // where the keys are, in pixels of the canvas
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `Map of crops. ${KEYS}`);
    this.tip = element("div", { className: "map-tip", role: "status", hidden: true });
    const button = (text, title, onclick) => element("button", { textContent: text, title, onclick });
    this.tools = {
      pan: button("Move and click", "Drag to move, Ctrl and wheel to zoom, click a point to see its crop", () => this.take("pan")),
      lasso: button("Lasso", "Draw around points to see their crops", () => this.take("lasso")),
    };
    const reset = button("Whole map", "Show all points; a double click also clears the choice", () => this.whole());
    const save = button("PNG", "Save the picture as it is", () => this.save());
    this.error = element("span", { className: "error" });
    const bar = element("div", { className: "map-tools" }, this.error, this.tools.pan, this.tools.lasso, reset, save);
    this.root = element("div", { className: "slice-viewer point-map" }, bar, this.canvas, this.tip);
    this.root.map = this; // for tests
    for (const [event, handler] of [["pointerdown", "press"], ["pointermove", "move"], ["pointerup", "release"],
      ["pointerleave", "leave"], ["dblclick", "clear"]]) {
      this.canvas.addEventListener(event, (e) => this[handler](e));
    }
    this.canvas.addEventListener("wheel", (e) => this.zoom(e), { passive: false });
    listenToKeys(this);
    this.root.addEventListener("transitionend", (e) => e.target === this.root && this.draw()); // of another theme's colour
    this.observer = new ResizeObserver(() => this.later());
    this.observer.observe(this.root);
    this.take("pan");
  }

  async update(data, send) {
    this.send = send;
    this.latest = data;
    try {
      const sources = [data.about, ...data.panels.flatMap((panel) => [panel.places, panel.colour])];
      const arrays = await Promise.all([...sources, ...(data.lit ? [data.lit] : [])].map(load));
      if (this.latest !== data) return;
      this.data = data;
      this.about = arrays[0];
      this.count = this.about.length / 4;
      this.lit = data.lit ? arrays.at(-1) : null;
      this.panels = data.panels.map((panel, n) => ({
        ...panel, xy: arrays[1 + 2 * n], value: arrays[2 + 2 * n], packed: Uint32Array.from(panel.shades, pack),
      }));
      this.error.textContent = "";
      this.draw();
    } catch (error) {
      this.error.textContent = error.message;
    }
  }

  take(tool) {
    this.tool = tool;
    for (const [name, button] of Object.entries(this.tools)) button.setAttribute("aria-pressed", name === tool);
    this.canvas.style.cursor = tool === "lasso" ? "crosshair" : "grab";
  }

  later() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.draw(); });
  }

  /** Where each panel stands on the canvas, and which ranges of its axes are seen there. */
  arrange(width, height) {
    const { panels, data } = this;
    const room = data.legend.length ? 170 : 0;
    const columns = this.columns(width);
    const each = (width - room) / columns;
    const titled = panels.some((panel) => panel.title);
    panels.forEach((panel, n) => {
      const top = titled ? 28 : 8;
      const bottom = EDGE.bottom + (panel.bar ? 50 : 0);
      panel.box = { x: (n % columns) * each + EDGE.left, y: Math.floor(n / columns) * height + top,
        w: Math.max(each - EDGE.left - EDGE.right, 20), h: Math.max(height - top - bottom, 20) };
      const { w, h } = panel.box;
      const key = `${n}/${panels.length} ${panel.labels.join()}`;
      const view = this.views.get(key) ?? wholeOf(panel);
      this.views.set(key, view);
      let sx = w / view.w, sy = h / view.h;
      if (data.same_scale) sx = sy = Math.min(sx, sy);
      Object.assign(panel, { view, sx, sy });
    });
  }

  /** How many panels stand side by side. */
  columns(width) {
    const most = Math.max(1, Math.floor((width - (this.data.legend.length ? 170 : 0)) / LEAST));
    return most < this.panels.length ? 1 : this.panels.length;
  }

  px(panel, x) { return panel.box.x + panel.box.w / 2 + (x - panel.view.x) * panel.sx; }
  py(panel, y) { return panel.box.y + panel.box.h / 2 - (y - panel.view.y) * panel.sy; }

  /** [x, y] of a point in pixels of the canvas. */
  at(panel, i) {
    return [this.px(panel, panel.low[0] + panel.xy[2 * i] / 65535 * panel.size[0]),
      this.py(panel, panel.low[1] + panel.xy[2 * i + 1] / 65535 * panel.size[1])];
  }

  /** The colours of the theme that the reader chose: the one whose words are as light as those of the page. */
  get look() {
    const [red, green, blue] = getComputedStyle(this.root).color.match(/[\d.]+/g).map(Number);
    return this.data.looks[red + green + blue > 382 ? "dark" : "light"];
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.data || !width) return;
    const { look } = this;
    const each = Math.round(heightIn(window.innerHeight, this.data.height, 1));
    const height = each * Math.ceil(this.panels.length / this.columns(width));
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = look.ground;
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.arrange(width, each);
    const least = this.count < 3000 ? 6 : this.count < 15000 ? 4 : 3;
    for (const panel of this.panels) {
      const { x, y, w, h } = panel.box;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      axis(pen, panel, look, this);
      const [left, top] = [Math.round(x * ratio), Math.round(y * ratio)];
      const image = pen.getImageData(left, top, Math.round(w * ratio), Math.round(h * ratio));
      this.stamp(panel, image, left, top, ratio, dot(least * ratio));
      pen.putImageData(image, left, top);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    legend(pen, this.data.legend, width - 158, look);
    if (this.lasso) this.drawLasso(pen);
    if (this.cross) drawCross(pen, this.cross, look.text);
    this.drawn = { url: this.data.about.url, colour: this.panels.map((panel) => panel.colour.url).join() };
  }

  /** Unlit points first, in grey; the last of the others lies on top. */
  stamp(panel, image, left, top, ratio, offsets) {
    const { xy, value, packed } = panel;
    const pixels = new Uint32Array(image.data.buffer);
    const grey = pack(this.look.grey.match(/\w\w/g).map((part) => Math.round(parseInt(part, 16) * 0.7 + 8)));
    const [x0, y0] = [this.px(panel, panel.low[0]) * ratio - left, this.py(panel, panel.low[1]) * ratio - top];
    const dx = panel.size[0] / 65535 * panel.sx * ratio, dy = panel.size[1] / 65535 * panel.sy * ratio;
    const { width, height } = image, { count, lit } = this;
    for (const pass of lit ? [0, 1] : [1]) {
      for (let i = 0; i < count; i++) {
        if (lit && lit[i] !== pass) continue;
        const x = Math.round(x0 + xy[2 * i] * dx), y = Math.round(y0 - xy[2 * i + 1] * dy);
        if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
        const shade = pass ? packed[value[i]] : grey;
        for (let n = 0; n < offsets.length; n += 2) {
          const px = x + offsets[n], py = y + offsets[n + 1];
          if (px >= 0 && py >= 0 && px < width && py < height) pixels[py * width + px] = shade;
        }
      }
    }
  }

  drawLasso(pen) {
    pen.strokeStyle = this.look.text;
    pen.setLineDash([4, 3]);
    pen.beginPath();
    for (const [x, y] of this.lasso) pen.lineTo(x, y);
    pen.closePath();
    pen.stroke();
    pen.setLineDash([]);
  }

  panelAt(x, y) {
    return this.panels?.find(({ box }) => x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h);
  }

  nearest(panel, x, y) {
    if (!panel) return -1;
    const { xy, size, sx, sy } = panel;
    const x0 = this.px(panel, panel.low[0]) - x, y0 = this.py(panel, panel.low[1]) - y;
    const dx = size[0] / 65535 * sx, dy = size[1] / 65535 * sy;
    let best = -1, least = NEAR * NEAR;
    for (let i = 0; i < this.count; i++) {
      const far = (x0 + xy[2 * i] * dx) ** 2 + (y0 - xy[2 * i + 1] * dy) ** 2;
      if (far <= least) {
        best = i;
        least = far;
      }
    }
    return best;
  }

  press(e) {
    const panel = this.panelAt(e.offsetX, e.offsetY);
    if (!panel || e.button) return;
    this.canvas.setPointerCapture(e.pointerId);
    this.held = { panel, x: e.offsetX, y: e.offsetY, moved: false };
    if (this.tool === "lasso") this.lasso = [[e.offsetX, e.offsetY]];
  }

  move(e) {
    const { offsetX: x, offsetY: y } = e, { held } = this;
    if (!held) return this.hover(x, y);
    this.tip.hidden = true;
    if (!held.moved && Math.hypot(x - held.x, y - held.y) < 3) return;
    held.moved = true;
    if (this.tool === "lasso") this.lasso.push([x, y]);
    else {
      held.panel.view.x -= (x - held.x) / held.panel.sx;
      held.panel.view.y += (y - held.y) / held.panel.sy;
      Object.assign(held, { x, y });
    }
    this.later();
  }

  release(e) {
    const held = this.held;
    this.held = null;
    if (!held) return;
    const lasso = this.lasso;
    this.lasso = null;
    if (held.moved && this.tool !== "lasso") return;
    const indices = [];
    if (held.moved) {
      for (let i = 0; i < this.count; i++) if (inside(lasso, ...this.at(held.panel, i))) indices.push(i);
    } else {
      const point = this.nearest(held.panel, e.offsetX, e.offsetY);
      if (point >= 0) indices.push(point);
    }
    this.later();
    if (indices.length) this.choose(indices);
  }

  choose(indices) {
    this.lit = indices.length ? new Uint8Array(this.count) : null; // at once; Python sends the same soon
    for (const i of indices) this.lit[i] = 1;
    this.later();
    this.send("choice", { url: this.data.about.url, indices, count: ++count });
  }

  clear() {
    this.whole();
    if (this.lit) this.choose([]);
  }

  whole() {
    this.views.clear();
    this.later();
  }

  /** Ctrl and the wheel zoom; the wheel alone scrolls the page, as everywhere. */
  zoom(e) {
    const panel = this.panelAt(e.offsetX, e.offsetY);
    if (!panel || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    this.zoomAt(panel, e.offsetX, e.offsetY, Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.005));
  }

  zoomAt(panel, atX, atY, factor) {
    if (!panel) return;
    const { view, box } = panel;
    const x = view.x + (atX - box.x - box.w / 2) / panel.sx, y = view.y - (atY - box.y - box.h / 2) / panel.sy;
    Object.assign(view, { x: x + (view.x - x) * factor, y: y + (view.y - y) * factor, w: view.w * factor, h: view.h * factor });
    this.later();
  }

  hover(x, y) {
    const panel = this.panelAt(x, y);
    const i = this.nearest(panel, x, y);
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const [sagittal, coronal, axial, subject] = this.about.subarray(4 * i, 4 * i + 4);
    this.tip.textContent = `${this.data.subjects[subject]}: sagittal ${sagittal}, coronal ${coronal}, axial ${axial} mm`;
    const right = x > this.root.clientWidth - 320;
    this.tip.style.top = `${this.canvas.offsetTop + y + 12}px`;
    this.tip.style.left = right ? "" : `${x + 12}px`;
    this.tip.style.right = right ? `${this.root.clientWidth - x + 12}px` : "";
  }

  leave() {
    this.tip.hidden = true;
  }

  save() {
    element("a", { href: this.canvas.toDataURL("image/png"), download: "isimed-map.png" }).click();
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }
}

function wholeOf({ low, size }) {
  return { x: low[0] + size[0] / 2, y: low[1] + size[1] / 2, w: size[0] * 1.06, h: size[1] * 1.06 };
}
