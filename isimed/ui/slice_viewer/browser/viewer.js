// One viewer: its state, and the verbs which input and toolbar call. Nothing here asks Python except `choose`.

import { AXES, PLANES, clamped, middle, middleShowing, midlineText, mmText, toMm } from "./geometry.js";
import { choose, convention, onSwitch } from "./convention.js";
import { element } from "./element.js";
import { header } from "./header.js";
import { helpBox } from "./help.js";
import { listen } from "./input.js";
import { gridLayout, heightIn, rowLayout } from "./layout.js";
import { follow, followView, followWindow, linkedWith } from "./link.js";
import { stretch } from "./measure.js";
import { Pane } from "./pane.js";
import { savePicture } from "./picture.js";
import { closeSolid } from "./solid.js";
import { Toolbar } from "./toolbar.js";
import { SLAB_KINDS, at, greyTable, load } from "./voxels.js";

const viewers = new Set(); // all on this page
const WIDE = matchMedia("(min-width: 1700px)");
const PANEL_EDGES = 20; // pixels of the panel's padding and gap
const SLAB_MM = 10; // what the key gives first
const STANDS_STILL = 700; // milliseconds after which a window that is being dragged is told to Python
const DOUBLE_CLICK = 400; // milliseconds within which a second click makes it one

export class Viewer {
  constructor(root) {
    this.root = root;
    this.dragMode = "click";
    this.labelMode = "contour";
    this.heatOpacity = 0.5;
    this.hover = null;
    this.tool = null; // what a drag measures
    this.draft = null; // the measurement that is being drawn
    this.slab = null; // {kind, mm}
    this.hidden = new Set(); // label values that are switched off
    this.clicks = 0;
    this.planes = element("div", { className: "planes" });
    this.message = element("div", { className: "message", role: "status" });
    this.readout = element("div", { className: "readout" });
    this.header = element("div", { className: "header" });
    this.stage = element("div", { className: "stage" }, this.planes, this.message);
    this.help = helpBox(this);
    this.stage.append(this.help);
    this.panel = element("div", { className: "panel" });
    this.toolbar = new Toolbar(this);
    this.panes = [];
    this.resized = new ResizeObserver(() => this.layOut());
    this.resized.observe(root);
    for (const part of [this.readout, this.toolbar.root]) this.resized.observe(part); // the panel grows with them
    viewers.add(this);
    this.onRoom = () => this.tellRoom();
    WIDE.addEventListener("change", this.onRoom);
    this.unfollow = onSwitch(() => {
      if (!this.data) return;
      this.toolbar.update();
      this.redraw();
    });
  }

  /** New data from Python, at every rerun. What the user set here stays, unless Python's wish changed. */
  update(data, send) {
    const before = this.data;
    const changed = (name) => JSON.stringify(before?.[name]) !== JSON.stringify(data[name]);
    const newScan = before?.volume.url !== data.volume.url;
    this.data = data;
    this.send = send;
    this.grid = data.volume;
    if (newScan) Object.assign(this, { voxels: null, table: null, hover: null });
    if (newScan) closeSolid(this);
    if (newScan || changed("measures")) this.draft = null;
    if (before?.labels?.url !== data.labels?.url) this.hidden = new Set();
    if (newScan) this.cursor = clamped(this.grid, data.cursor ?? middle(this.grid));
    else if (changed("cursor") && data.cursor) {
      // Python's echo of a click must not pull back a user who has scrolled on since.
      if (!same(data.cursor, this.echo)) this.place(data.cursor);
      this.echo = null;
    }
    if (newScan || JSON.stringify(before.volume.frame) !== JSON.stringify(data.volume.frame)) {
      Object.assign(this, { zoom: 1, centre: middleShowing(this.grid, this.cursor) });
    }
    // Nor must its echo of a window pull back a user who drags on.
    if (newScan || (changed("window") && !sameWindow(data.window, this.told))) this.window = { ...data.window };
    if (changed("layout") || changed("compact")) this.build();
    this.root.classList.toggle("compact", data.compact);
    if (changed("header")) header(this);
    this.readout.hidden = !data.readout;
    this.toolbar.update();
    this.layOut();
    this.fetch();
    this.tellRoom();
  }

  /** Python may show more where the window is wide. */
  tellRoom() {
    const { has_room: known } = this.data;
    if (known === null || known === WIDE.matches || this.toldRoom === WIDE.matches) return;
    this.toldRoom = WIDE.matches;
    this.send("room", { wide: WIDE.matches, count: ++this.clicks });
  }

  get convention() {
    return convention(this.data.convention);
  }

  /** In a grid the read-out and the buttons fill the fourth field; else they stand below and above. */
  build() {
    const { layout } = this.data, inGrid = layout === "grid", one = PLANES.includes(layout);
    this.panes = PLANES.filter((plane) => !one || plane === layout).map((plane) => new Pane(plane, this));
    this.root.classList.toggle("grid", inGrid);
    this.panel.replaceChildren(...(inGrid ? [this.readout, this.toolbar.root] : []));
    this.planes.replaceChildren(...this.panes.map((pane) => pane.box), ...(inGrid ? [this.panel] : []));
    this.root.replaceChildren(...(inGrid ? [this.header, this.stage] : [this.header, this.toolbar.root, this.stage, this.readout]));
    this.panes.forEach((pane) => {
      listen(pane);
      this.resized.observe(pane.box); // also the full screen's
    });
  }

  layOut() {
    if (!this.data || !this.root.clientWidth) return;
    const { compact, layout } = this.data, width = this.root.clientWidth;
    const height = this.data.height && heightIn(window.innerHeight, this.data.height, this.data.grows);
    const { columns, rows } = layout === "grid"
      ? gridLayout(this.grid, width, height ?? 640, this.panelHeight())
      : rowLayout(this.grid, this.panes.map(({ plane }) => plane), width, { height, least: compact ? 100 : 260 });
    this.planes.style.gridTemplateColumns = columns.map((share) => `minmax(0, ${share}fr)`).join(" ");
    this.planes.style.gridTemplateRows = rows.map((pixels) => `${pixels}px`).join(" ");
    this.redraw();
  }

  /** What the read-out and the buttons need, so that none is cut. */
  panelHeight() {
    return this.panel.clientWidth ? this.readout.offsetHeight + this.toolbar.root.offsetHeight + PANEL_EDGES : 0;
  }

  async fetch() {
    const { volume, labels, heat } = this.data;
    const wanted = this.data;
    try {
      if (!this.voxels) this.say("Loading…");
      const [voxels, labelVoxels, heatVoxels] = await Promise.all(
        [volume, labels, heat].map((source) => (source ? load(source) : null)));
      if (this.data !== wanted) return; // another rerun came in between and has its own fetch
      this.voxels = voxels;
      this.labels = labels && { source: labels, voxels: labelVoxels, hidden: this.hidden };
      this.heat = heat && { source: heat, voxels: heatVoxels };
      this.say("");
      this.redraw();
      this.showReadout();
    } catch (error) {
      if (this.data !== wanted) return;
      const reason = error instanceof TypeError ? "The server cannot be reached." : error.message;
      this.say(reason, element("button", { textContent: "Try again", onclick: () => this.fetch() }));
    }
  }

  say(words, ...more) {
    this.message.replaceChildren(...(words ? [element("span", { textContent: words }), ...more] : []));
  }

  greys() {
    const wanted = `${this.data.volume.url} ${this.window.level} ${this.window.width}`;
    if (this.table?.wanted !== wanted) this.table = { wanted, greys: greyTable(this.data.volume, this.window) };
    return this.table.greys;
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.panes.forEach((pane) => pane.draw());
    });
  }

  // What the user can do.

  choose(voxel) {
    const now = performance.now(), second = same(voxel, this.lastClick) && now - this.lastClickTime < DOUBLE_CLICK;
    Object.assign(this, { lastClick: voxel, lastClickTime: now });
    if (second) return; // the second half of a double click
    this.moveTo(voxel);
    if (this.data.reports) this.report(voxel);
  }

  report(voxel) {
    this.echo = voxel;
    this.tell("click", voxel);
  }

  /** A double click resets the view; the place that its first half chose is taken back. */
  resetFrom(place) {
    this.reset();
    if (same(place, this.cursor)) return;
    this.moveTo(place);
    if (this.data.reports) this.report(place);
  }

  /** Tell Python about a voxel: a "click", or the header's "action". */
  tell(what, voxel) {
    this.send(what, { voxel, count: ++this.clicks, url: this.data.volume.url });
  }

  /** The user moved the crosshair: linked viewers go along. */
  moveTo(voxel) {
    this.place(voxel);
    follow(this, viewers);
  }

  place(voxel) {
    this.cursor = clamped(this.grid, voxel);
    stretch(this);
    this.redraw();
    this.solid?.point();
    this.showReadout();
  }

  moveSlice(plane, slices) {
    const axis = AXES[plane][2];
    this.hover &&= this.hover.map((v, n) => (n === axis ? v + slices : v));
    this.moveTo(this.cursor.map((v, n) => (n === axis ? v + slices : v)));
  }

  look(change) {
    Object.assign(this, change);
    this.redraw();
  }

  zoomTo(zoom, centre) {
    const factor = zoom / this.zoom;
    this.look({ zoom, centre });
    followView(this, viewers, { factor });
  }

  panTo(centre) {
    const mm = centre.map((c, axis) => (c - this.centre[axis]) * this.grid.spacing[axis]);
    this.look({ centre });
    followView(this, viewers, { mm });
  }

  /** Take a measuring tool in hand, or none. */
  take(tool) {
    this.look({ tool, draft: null });
    this.root.classList.toggle("measuring", Boolean(tool));
    this.toolbar.update();
  }

  nextSlab() {
    const next = SLAB_KINDS[this.slab ? SLAB_KINDS.indexOf(this.slab.kind) + 1 : 0];
    this.setSlab(next ? { kind: next, mm: this.slab?.mm ?? SLAB_MM } : null);
  }

  setSlab(slab) {
    this.look({ slab });
    this.toolbar.update();
  }

  /** One plane as a picture, or all of them with those of the linked viewers. */
  save(pane = null) {
    savePicture(this, pane ? [pane] : this.panes, pane ? [] : linkedWith(this, viewers));
  }

  reset() {
    this.resetView();
    linkedWith(this, viewers).forEach((other) => other.resetView());
    this.tellWindow();
  }

  resetView() {
    this.showWindow(this.data.first_window);
    this.look({ zoom: 1, centre: middle(this.grid) });
  }

  setPreset(index) {
    const { level, width } = this.data.presets[index];
    this.setWindow({ level, width });
  }

  /** The user's wish: linked patients follow, and Python hears of it once it stands still. */
  setWindow(wished) {
    this.showWindow(wished);
    followWindow(this, viewers);
    this.tellWindow();
  }

  tellWindow() {
    if (!this.data.reports_window) return;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.told = this.window;
      this.send("window", { ...this.told, count: ++this.clicks, url: this.data.volume.url });
    }, STANDS_STILL);
  }

  showWindow({ level, width }) {
    this.window = { level, width };
    this.redraw();
    this.toolbar.update();
    this.showReadout();
  }

  /** Right and up: wider and brighter; a drag over the whole plane spans the default window once. */
  dragWindow([dx, dy], [paneWidth, paneHeight]) {
    const { level, width } = this.window, whole = this.data.first_window.width;
    this.setWindow({
      level: level + (whole * dy) / paneHeight,
      width: Math.max(whole / 200, width + (whole * dx) / paneWidth),
    });
  }

  pointAt(voxel) {
    this.hover = voxel;
    this.showReadout();
  }

  toggleConvention() {
    choose(this.convention === "radiological" ? "neurological" : "radiological");
  }

  /** Voxel, millimetres, value and organ under the pointer, or at the crosshair. */
  showReadout() {
    if (!this.voxels || !this.data.readout) return void this.readout.replaceChildren();
    const { volume } = this.data;
    const voxel = clamped(this.grid, this.hover ?? this.cursor);
    const value = at(this.voxels, volume.shape, voxel) * volume.slope + volume.intercept;
    const digits = volume.slope === 1 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(this.window.width)));
    const label = this.labels && at(this.labels.voxels, volume.shape, voxel);
    const organ = label ? this.labels.source.names.find((name) => name.value === label)?.name : "";
    const place = !this.hover && same(this.data.cursor, voxel) ? this.data.cursor : voxel; // the very place, not its voxel's
    const mm = toMm(this.grid, place);
    const parts = [["where", this.hover ? "Pointer" : "Crosshair"], ["voxel", voxel.join(", ")],
      ["mm", `${mmText(mm)} mm`], ["midline", midlineText(mm, this.data.midline)], ["value", `${value.toFixed(digits)} ${volume.unit}`.trim()], ["organ", organ]];
    this.readout.replaceChildren(...parts.filter(([, words]) => words).map(([className, textContent]) =>
      element("span", { className, textContent })));
  }

  destroy() {
    this.unfollow();
    closeSolid(this);
    WIDE.removeEventListener("change", this.onRoom);
    clearTimeout(this.telling);
    viewers.delete(this);
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }
}

function sameWindow(a, b) {
  return b && Math.abs(a.level - b.level) < 1e-6 && Math.abs(a.width - b.width) < 1e-6;
}

function same(a, b) {
  return a && b && a.every((v, axis) => Math.round(v) === Math.round(b[axis]));
}
