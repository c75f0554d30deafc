// The explorer: one state, and everything that follows it.

import { mapChoices, reflect } from "./controls.js";
import { followEdits, markCrystal, showCrystals } from "./editing.js";
import { paintMap, tellProbe } from "./maps.js";
import { readLine, readProbe, readVirtual } from "./live.js";
import { alongLine, changeDetector, detectorMask, presetDetector, Run, scaleBar } from "./model.js";
import { showComponents, savePattern, showProbe, showWeights, tellPixel } from "./patterns.js";
import { drawWaiting, make } from "./panel.js";
import { Page } from "./page.js";
import { saveProfile, showDecision, showLine, showOverlap } from "./sections.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LEAP = 10; // probes that an arrow key steps with Shift
const LOOKS = ["ink", "soft", "line", "panel", "accent", "band"];
const START = {
  map: "clusters",
  tool: "probe",
  hover: null,
  threshold: 0.75,
  safe: false,
  contrast: "gamma",
  gamma: 0.4,
  percent: 99.8,
  scale: "magma",
  line: null,
  n: 4,
  detector: null,
  criterion: "loss",
  theme: "auto",
};
let made = 0;

export class Explorer extends Page {
  constructor(root, run) {
    super();
    Object.assign(this, {
      root,
      run,
      id: made++,
      measured: null,
      asked: null,
      trouble: null,
      linePatterns: null,
      exact: null,
      pixel: null,
    });
    this.file = run.manifest.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}]+/gu, "-");
    this.state = {
      ...START,
      k: run.manifest.decision?.k ?? null,
      probe: { y: run.height >> 1, x: run.width >> 1 },
    };
    this.look = () => this.colors;
    this.changed = new Set();
    this.cache = new Map();
  }

  async start() {
    this.factors = this.base = await this.run.factors(this.state.k);
    this.readColors();
    this.build();
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.update({ theme: this.state.theme }));
    this.update({ ...this.state });
    await this.settled();
    this.root.dataset.ready = "true";
    return this;
  }

  /** What was worked out for the factors that are shown, once. */
  cached(name, work) {
    if (!this.cache.has(name)) this.cache.set(name, work());
    return this.cache.get(name);
  }

  get looked() {
    return this.state.hover ?? this.state.probe;
  }

  outsideBeam() {
    const { beam } = this.run.manifest.pattern;
    return this.cached("outside", () => {
      const { patternShape: shape, pixels, bin } = this.factors;
      if (!beam) return pixels;
      const disc = detectorMask(shape, { cy: beam[0], cx: beam[1], inner: 0, outer: 2 * beam[2] }, bin);
      const outside = pixels.map((used, p) => (used && !disc[p] ? 1 : 0));
      return outside.some(Boolean) ? outside : pixels;
    });
  }

  /** Change the state; what depends on it is drawn with the next frame. */
  update(changes) {
    Object.assign(this.state, changes);
    if ("probe" in changes || "hover" in changes) readProbe(this); // at once: it takes longer than a frame
    for (const name of Object.keys(changes)) this.changed.add(name);
    if (!this.frame) this.frame = new Promise((done) => requestAnimationFrame(() => done(this.render())));
    return this.frame;
  }

  /** Wait until nothing is left to draw. */
  async settled() {
    while (this.frame) await this.frame;
  }

  async render() {
    try {
      await this.draw();
      drawWaiting();
    } finally {
      this.frame = null;
      if (this.changed.size) this.update({});
    }
  }

  async draw() {
    const changed = new Set(this.changed);
    this.changed.clear();
    if (changed.has("k")) await this.change();
    else if (changed.has("edits")) this.follow();
    const any = (...names) => names.some((name) => changed.has(name));
    if (any("theme")) this.readColors();
    const all = any("k", "theme", "edits");
    if (all || any("map", "tool")) this.offer();
    if (all || any("map", "safe", "virtual") || (any("threshold") && this.state.map === "overlap")) this.showMap();
    else if (any("probe", "hover", "line", "tool")) this.map.redraw();
    if (any("detector", "tool")) for (const picture of Object.values(this.pictures)) picture.redraw();
    const look = any("contrast", "gamma", "percent", "scale");
    if (all || any("probe", "hover", "map")) this.map.say(tellProbe(this, this.looked));
    if (any("k")) readProbe(this);
    if (all || look || any("probe", "hover", "measured")) showProbe(this);
    if (all || any("probe", "hover")) showWeights(this);
    if (all || look || any("map")) showComponents(this);
    if (all || any("threshold")) showOverlap(this);
    if (any("k", "edits")) showCrystals(this);
    if (any("k", "edits", "probe", "hover")) markCrystal(this);
    if (any("line", "n", "k")) readLine(this);
    if (all || look || any("line", "n", "linePatterns")) showLine(this);
    if (all || any("criterion")) showDecision(this);
    reflect(this.root, this);
    const { y, x } = this.looked;
    Object.assign(this.root.dataset, { probe: `${y},${x}`, k: this.factors.k, map: this.state.map });
  }

  async change() {
    const k = this.state.k;
    this.base = await this.run.factors(k);
    this.follow();
    this.linePatterns = null;
    this.exact = null;
    const kept = mapChoices(this.factors, this.run.transport.live).map(([value]) => value);
    if (!kept.includes(this.state.map)) this.state.map = "clusters";
    if (this.state.detector) readVirtual(this);
  }

  /** Take the crystals as the edits leave them. */
  follow() {
    this.factors = followEdits(this);
    this.cache.clear();
  }

  readColors() {
    this.root.dataset.theme = this.state.theme;
    const style = getComputedStyle(this.root);
    this.colors = Object.fromEntries(LOOKS.map((name) => [name, style.getPropertyValue(`--x-${name}`).trim()]));
  }

  /** Fill the list of maps with those that there are. */
  offer() {
    const select = this.root.querySelector('[name="map"]');
    const choices = mapChoices(this.factors, this.run.transport.live);
    select.replaceChildren(...choices.map(([value, words]) => make("option", { value }, words)));
    select.value = this.state.map;
    this.map.title = `Map: ${choices.find(([value]) => value === this.state.map)[1]}`;
    const hints = {
      probe: "",
      line: "Drag a line on the map.",
      detector: "Drag a disc on a pattern; drag its rim or the inner ring to change it.",
    };
    this.root.querySelector(".hint").textContent = hints[this.state.tool];
  }

  /** The scale bar of the map, for n of its elements. */
  mapBar() {
    const { step_nm: step, stride } = this.run.manifest.scan;
    return step === null
      ? (n) => ((b) => ({ ...b, elements: b.elements / stride }))(scaleBar(n * stride, null, "nm"))
      : (n) => scaleBar(n, step, "nm");
  }

  showMap() {
    const { rgba, legend } = paintMap(this);
    this.map.show(rgba, [this.run.height, this.run.width], this.mapBar());
    this.legend.replaceChildren(...legend);
  }

  drawOnMap(pen, picture) {
    const { line, tool, hover, probe } = this.state;
    if (line || tool === "line") {
      const shown = this.lineOrDefault();
      const ends = [picture.toScreen(shown.y0, shown.x0), picture.toScreen(shown.y1, shown.x1)];
      pen.line(ends, { stroke: "#000000", line: 4 });
      pen.line(ends, { stroke: "#ffffff", line: 2 });
      alongLine(shown, this.state.n).forEach(({ y, x }, i) => {
        const [px, py] = picture.toScreen(y, x);
        pen.circle(px, py, 4, { fill: "#ffffff", stroke: "#000000" });
        pen.text(px + 7, py - 8, String(i + 1), { fill: "#ffffff", halo: "#000000", size: 12 });
      });
    }
    for (const [place, color] of [
      [probe, "#ffffff"],
      [hover, "#ffe14d"],
    ])
      if (place) this.drawProbe(pen, picture, place, color);
  }

  drawProbe(pen, picture, { y, x }, color) {
    const [px, py] = picture.toScreen(y, x);
    const [w, h] = [picture.where.scale, picture.where.tall].map((size) => Math.max(size, 6) + 2);
    pen.rect(px - w / 2, py - h / 2, w, h, { stroke: "#000000", line: 4 });
    pen.rect(px - w / 2, py - h / 2, w, h, { stroke: color, line: 2 });
  }

  drawOnPattern(pen, picture) {
    if (!this.factors.full || (this.state.tool !== "detector" && !this.state.detector)) return;
    const { cy, cx, inner, outer } = this.detectorOrDefault();
    const { bin } = this.factors;
    const middle = (bin - 1) / 2;
    const [px, py] = picture.toScreen((cy - middle) / bin, (cx - middle) / bin);
    for (const radius of [inner, outer]) {
      if (radius <= 0) continue;
      pen.circle(px, py, (radius / bin) * picture.where.scale, { stroke: "#000000", line: 4 });
      pen.circle(px, py, (radius / bin) * picture.where.scale, { stroke: "#7df9ff", line: 2 });
    }
  }

  // Probes and pixels

  nearest(place) {
    return place && { y: Math.round(place.y), x: Math.round(place.x) };
  }

  hoverProbe(place) {
    const probe = this.nearest(place);
    const { hover } = this.state;
    if (probe?.y === hover?.y && probe?.x === hover?.x) return;
    this.update({ hover: probe });
  }

  pinProbe(place) {
    if (place) this.update({ probe: this.nearest(place), hover: null });
  }

  mapKey(event) {
    const step = ARROWS[event.key];
    if (!step) return false;
    const leap = event.shiftKey ? LEAP : 1;
    const within = (value, n) => Math.min(Math.max(value, 0), n - 1);
    const { y, x } = this.looked;
    const probe = { y: within(y + leap * step[0], this.run.height), x: within(x + leap * step[1], this.run.width) };
    this.update({ probe, hover: null });
    return true;
  }

  hoverPixel(place) {
    this.pixel = this.nearest(place);
    tellPixel(this);
  }

  patternKey(event) {
    const step = ARROWS[event.key];
    if (!step || this.state.tool !== "detector") return false;
    const { cy, cx, ...radii } = this.detectorOrDefault();
    this.setDetector({ cy: cy + step[0], cx: cx + step[1], ...radii });
    return true;
  }

  pickK(i) {
    const { curves } = this.run.manifest.decision;
    const k = curves.find(({ name }) => name === this.state.criterion).ks[i];
    if (this.run.ks.includes(k)) this.update({ k });
  }

  curveKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return false;
    const k = this.run.ks[this.run.ks.indexOf(this.state.k) + step];
    if (k !== undefined) this.update({ k });
    return true;
  }

  saveHspy(picture, what) {
    savePattern(this, picture, what);
  }

  // Line

  lineOrDefault() {
    const { height, width } = this.run;
    const middle = height >> 1;
    return this.state.line ?? { y0: middle, x0: Math.floor(width * 0.2), y1: middle, x1: Math.floor(width * 0.8) };
  }

  grabLine(place) {
    if (this.state.tool !== "line") return null;
    const { y, x } = this.nearest(place);
    const to = (end) => ({ y0: y, x0: x, y1: Math.round(end.y), x1: Math.round(end.x) });
    return { move: (end) => this.update({ line: to(end) }), end: (end) => this.update({ line: to(end) }) };
  }

  saveProfile() {
    saveProfile(this);
  }

  // Detector

  presetDetector(kind) {
    return presetDetector(this.run.manifest.pattern, kind);
  }

  detectorOrDefault() {
    return this.state.detector ?? this.presetDetector("bright");
  }

  /** Take a detector, and show its virtual image. */
  setDetector(detector, final = true) {
    const outer = Math.max(detector.outer, 0.5);
    const kept = { ...detector, outer, inner: Math.min(Math.max(detector.inner, 0), outer) };
    this.cache.delete("virtual");
    this.exact = null;
    this.update({ detector: kept, map: this.factors.full ? "virtual" : this.state.map, virtual: null });
    if (final) readVirtual(this);
  }

  grabDetector(place, reach) {
    if (this.state.tool !== "detector" || !this.factors.full) return null;
    const { bin } = this.factors;
    const full = (at) => ({ y: at.y * bin + (bin - 1) / 2, x: at.x * bin + (bin - 1) / 2 });
    const from = full(place);
    const change = changeDetector(this.state.detector, from, reach * bin);
    return {
      move: (at) => this.setDetector(change(full(at)), false),
      end: (at) => this.setDetector(change(full(at))),
    };
  }

  /** The exact image as far as it has come, else the one from the components. */
  virtualImage() {
    const { patternShape, bin } = this.factors;
    const quick = this.cached("virtual", () =>
      this.factors.virtual(detectorMask(patternShape, this.detectorOrDefault(), bin)),
    );
    return this.exact ?? quick;
  }

  // What comes from the data, one request at a time: a newer one ends the one before

  renew(name) {
    this[name]?.abort();
    this[name] = new AbortController();
    return this[name].signal;
  }

  cancelVirtual() {
    this.readingVirtual?.abort();
  }
}

/** Start the explorer in an element with data from a transport; what goes wrong is said there. */
export function explore(root, transport) {
  return begin(root, async () => new Explorer(root, await new Run(await transport.manifest(), transport).open()));
}

/** Start an explorer that a function makes; what goes wrong is said in its element. */
export async function begin(root, prepare) {
  try {
    root.explorer = await prepare();
    return await root.explorer.start();
  } catch (error) {
    root.append(make("p", { role: "alert" }, `The explorer cannot start in this browser: ${error.message}`));
    throw error;
  }
}
