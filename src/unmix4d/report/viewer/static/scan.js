// The explorer of a scan without a run: patterns, virtual images, sums over patterns, and a run that it starts.

import { percentile } from "./arrays.js";
import { told } from "./chart.js";
import { choice, contrastControls, CONTRASTS, detectorBox, labelled, themeChoice, toolChoice } from "./controls.js";
import { paintValues } from "./colors.js";
import { begin, Explorer } from "./explorer.js";
import { readVirtual } from "./live.js";
import { probeName, scaleLegend } from "./maps.js";
import { make } from "./panel.js";
import { contrast, showPattern } from "./patterns.js";
import { Picture } from "./picture.js";
import { RunForm } from "./runform.js";
import { readQuick, readSums } from "./served.js";

const IMAGE_SCALE = "viridis";
const TAILS = [0.2, 99.8]; // percentiles that are drawn darkest and brightest
const READ_UNASKED = 2 ** 31; // bytes; of a larger scan the exact image is read when it is asked for

/** A scan where an explorer expects a run: one model, all of whose pixels are used. */
export class BareScan {
  constructor(manifest, transport) {
    Object.assign(this, { manifest, transport, ks: [] });
    [this.height, this.width] = manifest.scan.shape;
    this.nProbes = this.height * this.width;
  }

  async factors() {
    const [h, w] = this.manifest.pattern.shape;
    return { full: true, bin: 1, patternShape: [h, w], pixels: new Uint8Array(h * w).fill(1), run: this };
  }

  index({ y, x }) {
    return y * this.width + x;
  }
}

export class ScanExplorer extends Explorer {
  constructor(root, run) {
    super(root, run);
    Object.assign(this, { sample: null, sums: null, quick: null, quickName: "From some of the patterns" });
    Object.assign(this.state, { map: "virtual", imageContrast: "linear" });
  }

  async start() {
    await super.start();
    try {
      this.sample = await this.run.transport.sample();
    } catch (error) {
      this.tell("virtual-told", error.message);
      return this;
    }
    const { rows, columns, beam } = this.sample;
    const n = rows * columns;
    this.run.manifest.pattern.beam = beam;
    this.cache.delete("outside");
    this.sums = { ...this.sample, of: n === this.run.nProbes ? `all ${n} patterns` : `${n} patterns` };
    const begin_ = this.root.querySelector('[name="sums"]');
    begin_.hidden = n === this.run.nProbes;
    this.tell(
      "sums-told",
      begin_.hidden ? "Exact, from all patterns." : `From ${n} patterns spread over the scan.`,
    );
    this.update({ sums: null, detector: this.presetDetector("bright") });
    if (this.run.manifest.bytes <= READ_UNASKED) this.readExact();
    else if (await readQuick(this)) this.waitForRead();
    await this.settled();
    this.root.dataset.seen = "true";
    return this;
  }

  tell(name, words) {
    this.root.querySelector(`[name="${name}"]`).textContent = words;
  }

  // What is drawn

  async draw() {
    const changed = new Set(this.changed);
    this.changed.clear();
    const any = (...names) => names.some((name) => changed.has(name));
    if (any("theme")) this.readColors();
    const look = any("theme", "contrast", "gamma", "percent", "scale");
    if (any("theme", "virtual", "imageContrast", "gamma")) this.showImage();
    else if (any("probe", "hover", "tool")) this.map.redraw();
    if (any("detector", "tool")) for (const picture of Object.values(this.pictures)) picture.redraw();
    if (look || any("measured", "sums")) this.showMeasured();
    if (look || any("sums")) this.showSums();
    if (any("probe", "hover", "virtual")) this.map.say(this.tellPlace());
    this.reflect();
    const { y, x } = this.looked;
    Object.assign(this.root.dataset, { probe: `${y},${x}` });
  }

  virtualImage() {
    return this.exact ?? this.quick ?? new Float32Array(this.run.nProbes).fill(NaN);
  }

  showImage() {
    const values = this.virtualImage();
    const [low, high] = TAILS.map((percent) => percentile(values, percent));
    const share = contrast({ contrast: this.state.imageContrast, gamma: this.state.gamma }, high - low);
    const rgba = paintValues(values, (v) => share(v - low), IMAGE_SCALE);
    this.map.show(rgba, [this.run.height, this.run.width], this.mapBar());
    this.map.title = `Virtual image: ${this.detectorName()}`;
    this.legend.replaceChildren(scaleLegend(told(low), `${told(high)} counts`));
  }

  detectorName() {
    const { cy, cx, inner, outer } = this.detectorOrDefault();
    const round = (value) => Number(value.toFixed(1));
    const radii = inner > 0 ? `annulus from ${round(inner)} to ${round(outer)} px` : `disc of ${round(outer)} px`;
    return `${radii} about (${round(cy)}, ${round(cx)})`;
  }

  tellPlace() {
    const value = this.virtualImage()[this.run.index(this.looked)];
    const counts = Number.isNaN(value)
      ? []
      : [`${told(value)} counts${this.exact ? "" : " (nearest that was read)"}`];
    return [`(row, col) = ${probeName(this.run, this.looked)}`, ...counts].join(" · ");
  }

  showMeasured() {
    const { measured } = this.pictures;
    const seen = this.measured;
    measured.note = seen ? "" : (this.trouble ?? "reading …");
    measured.title = `Pattern at ${probeName(this.run, this.looked)}`;
    if (seen) showPattern(this, measured, seen.measured.data);
    this.hoverPixel(this.pixel);
  }

  showSums() {
    if (!this.sums) return;
    for (const [name, words] of [
      ["mean", "Mean"],
      ["maximum", "Maximum"],
    ]) {
      this.pictures[name].title = `${words} of ${this.sums.of}`;
      showPattern(this, this.pictures[name], this.sums[name]);
    }
    this.hoverPixel(this.pixel);
  }

  // Virtual images: at once from some of the patterns, then exact

  setDetector(detector, final = true) {
    if (!this.sample) return;
    const outer = Math.max(detector.outer, 0.5);
    const kept = { ...detector, outer, inner: Math.min(Math.max(detector.inner, 0), outer) };
    this.readingVirtual?.abort();
    this.exact = null;
    this.update({ detector: kept });
    if (final) this.readExact();
    else readQuick(this);
  }

  async readExact() {
    this.root.querySelector('[name="exact"]').hidden = true;
    if (!(await readQuick(this))) return;
    await readVirtual(this);
    if (!this.exact && this.readingVirtual.signal.aborted) this.waitForRead();
  }

  /** Leave it to the user to read all of the scan. */
  waitForRead() {
    this.root.querySelector('[name="exact"]').hidden = false;
    const { rows, columns } = this.sample;
    this.tell("virtual-told", `From ${rows * columns} patterns spread over the scan.`);
  }

  // The page

  build() {
    const common = { look: this.look, file: this.file };
    const mapHooks = {
      hover: (place) => this.hoverProbe(place),
      pick: (place) => this.pinProbe(place),
      key: (event) => this.mapKey(event),
      overlay: (pen, p) => this.drawOnMap(pen, p),
    };
    const label = "Virtual image. Arrow keys step one probe, with Shift ten; plus, minus and 0 zoom.";
    const step = this.run.manifest.scan.step_nm;
    const data = () => ({ values: this.virtualImage(), step, unit: "nm" });
    const image = { ...common, title: "Virtual image", name: "map", label, hooks: mapHooks, data, tallest: 1.1 };
    this.map = new Picture(image);
    this.map.words.setAttribute("aria-live", "polite");
    const hooks = {
      hover: (place) => this.hoverPixel(place),
      grab: (place, reach) => this.grabDetector(place, reach),
      key: (event) => this.patternKey(event),
      overlay: (pen, p) => this.drawOnPattern(pen, p),
    };
    const titles = { measured: "Pattern", mean: "Mean", maximum: "Maximum" };
    const stepOf = this.run.manifest.pattern.step_inv_angstrom;
    this.pictures = Object.fromEntries(
      Object.entries(titles).map(([name, title]) => {
        const values = () => ({ values: this.pictures[name].values, step: stepOf, unit: "1/A" });
        return [name, new Picture({ ...common, title, name, hooks, data: values })];
      }),
    );
    this.legend = make("div", { class: "legend" });
    this.form = new RunForm(this.run);
    const grid = [this.bar(), this.imageBlock(), this.patternBlock()];
    this.root.classList.add("explorer", "of-scan");
    this.root.replaceChildren(make("div", { class: "grid" }, ...grid));
    this.form.follow();
  }

  bar() {
    const tools = [
      ["probe", "Look"],
      ["detector", "Detector"],
    ];
    const image = choice("imageContrast", CONTRASTS, (value) => this.update({ imageContrast: value }));
    return make(
      "form",
      { class: "toolbar", onsubmit: (event) => event.preventDefault() },
      toolChoice(this, tools),
      ...contrastControls(this),
      labelled("Contrast of the image", image),
      themeChoice(this),
      make("output", { class: "hint" }, ""),
    );
  }

  imageBlock() {
    return make("section", { class: "block map-block" }, this.map.element, this.legend, this.form.element);
  }

  detectorPart() {
    const words =
      "Choose the tool Detector and drag on a pattern: the image shows the counts in that disc or annulus.";
    const exact = { type: "button", name: "exact", hidden: true, onclick: () => this.readExact() };
    return make(
      "div",
      { class: "detector-block" },
      make("h3", {}, "Virtual detector"),
      make("p", {}, words),
      detectorBox(this),
      make("button", exact, "Exact image, from all patterns"),
    );
  }

  patternBlock() {
    const { measured, mean, maximum } = this.pictures;
    return make(
      "section",
      { class: "block pattern-block" },
      make("div", {}, measured.element, this.detectorPart()),
      make("div", { class: "patterns" }, mean.element, maximum.element, this.sumsPart()),
    );
  }

  sumsPart() {
    const cancel = { type: "button", name: "sums-cancel", hidden: true, onclick: () => this.readingSums?.abort() };
    return make(
      "div",
      { class: "fields" },
      make("button", { type: "button", name: "sums", onclick: () => readSums(this) }, "Mean and maximum of all"),
      make("progress", { name: "sums-progress", max: 1, value: 0, hidden: true }),
      make("output", { name: "sums-told", role: "status" }, "reading the first patterns …"),
      make("button", cancel, "Cancel"),
    );
  }

  /** Show the state in the controls. */
  reflect() {
    const fill = (name, value) => {
      const control = this.root.querySelector(`[name="${name}"]`);
      if (document.activeElement !== control && control.value !== String(value)) control.value = value;
    };
    const { state } = this;
    for (const name of ["contrast", "gamma", "percent", "scale", "imageContrast", "theme"]) fill(name, state[name]);
    this.root.querySelector(`[name="tool"][value="${state.tool}"]`).checked = true;
    this.root.querySelector('[name="gamma"]').disabled = ![state.contrast, state.imageContrast].includes("gamma");
    const detector = Object.entries(this.detectorOrDefault());
    for (const [name, value] of detector) fill(`detector-${name}`, Number(value.toFixed(1)));
    this.root.querySelector(".hint").textContent =
      state.tool === "detector" ? "Drag a disc on a pattern; drag its rim or the inner ring to change it." : "";
  }
}

/** Start the explorer of a scan in an element; what goes wrong is said there. */
export function exploreScan(root, transport) {
  return begin(root, async () => new ScanExplorer(root, new BareScan(await transport.manifest(), transport)));
}
