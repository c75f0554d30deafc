// The page of the explorer: its panels and blocks, and what they tell the explorer.

import { Bars, Chart } from "./chart.js";
import { detectorBox, lineBox, thresholdBox, toolbar } from "./controls.js";
import { editBlock } from "./editing.js";
import { valuesOf } from "./maps.js";
import { make } from "./panel.js";
import { patternData } from "./patterns.js";
import { Picture } from "./picture.js";
import { Strip, tellProfile } from "./sections.js";

/** Builds the page; `Explorer` says what happens. */
export class Page {
  build() {
    const common = { look: this.look, file: this.file };
    const mapHooks = {
      hover: (place) => this.hoverProbe(place),
      pick: (place) => this.pinProbe(place),
      grab: (place) => this.grabLine(place),
      key: (event) => this.mapKey(event),
      overlay: (pen, p) => this.drawOnMap(pen, p),
    };
    const label = "Map of the scan. Arrow keys step one probe, with Shift ten; plus, minus and 0 zoom.";
    const step = this.run.manifest.scan.step_nm;
    const data = () => ({ values: valuesOf(this)?.values ?? this.factors.labels, step, unit: "nm" });
    this.map = new Picture({ ...common, title: "Map", name: "map", label, hooks: mapHooks, data, tallest: 1.1 });
    this.map.words.setAttribute("aria-live", "polite");
    const patternHooks = {
      hover: (place) => this.hoverPixel(place),
      grab: (place, reach) => this.grabDetector(place, reach),
      key: (event) => this.patternKey(event),
      overlay: (pen, p) => this.drawOnPattern(pen, p),
    };
    const { transport } = this.run;
    this.pictures = Object.fromEntries(
      [
        ["measured", "Measured"],
        ["filtered", "Filtered"],
        ["reconstruction", "Reconstruction"],
        ["residual", "Residual"],
      ].map(([name, title]) => {
        const shown = () => patternData(this, name);
        const picture = new Picture({ ...common, title, name, hooks: patternHooks, data: shown });
        if (transport.hspy && (transport.live || name === "reconstruction"))
          picture.tool("HSPY", `Save ${title} for HyperSpy`, () => this.saveHspy(picture, name));
        return [name, picture];
      }),
    );
    this.pictures.filtered.element.hidden = true;
    this.bars = new Bars({ ...common, title: "Weights", name: "weights" });
    this.strip = new Strip({
      ...common,
      name: "components",
      pressable: (i) => this.update({ map: `weight:${i}` }),
    });
    this.lineStrip = new Strip({ ...common, name: "line" });
    this.profile = new Chart({ ...common, title: "Profile along the line", name: "profile" });
    for (const kind of ["pointermove", "pointerleave"]) {
      this.profile.canvas.addEventListener(kind, () => tellProfile(this));
    }
    this.curve = new Chart({
      ...common,
      title: "Over k",
      name: "curve",
      pick: (i) => this.pickK(i),
      key: (event) => this.curveKey(event),
      label: "Criterion over k. Arrow keys left and right choose another k.",
    });
    this.legend = make("div", { class: "legend" });
    const grid = make(
      "div",
      { class: "grid" },
      toolbar(this),
      this.mapBlock(),
      this.patternBlock(),
      editBlock(this),
      this.stripBlock(),
      this.overlapBlock(),
      this.decisionBlock(),
      this.lineBlock(),
    );
    this.root.classList.add("explorer");
    this.root.replaceChildren(grid);
  }

  mapBlock() {
    return make("section", { class: "block map-block" }, this.map.element, this.legend);
  }

  patternBlock() {
    const patterns = make(
      "div",
      { class: "patterns" },
      ...Object.values(this.pictures).map(({ element }) => element),
    );
    return make("section", { class: "block pattern-block" }, patterns, this.bars.element, this.detectorBlock());
  }

  stripBlock() {
    const words = "Components, framed in the colours of their crystals. Choose one to see the map of its weight.";
    return make(
      "section",
      { class: "block wide" },
      make("h3", {}, "Components"),
      make("p", {}, words),
      this.strip.element,
    );
  }

  overlapBlock() {
    const show = make(
      "button",
      { type: "button", onclick: () => this.update({ map: "overlap" }) },
      "Show it on the map",
    );
    return make(
      "section",
      { class: "block half overlap-block" },
      make("h3", {}, "Overlap"),
      thresholdBox(this),
      show,
      make("div", { class: "scroll" }, make("table", { class: "pairs" })),
    );
  }

  decisionBlock() {
    const names = this.run.manifest.decision.curves.map(({ name }) => name);
    if (!names.includes(this.state.criterion)) this.state.criterion = names[0];
    const select = make(
      "select",
      { name: "criterion", onchange: (event) => this.update({ criterion: event.target.value }) },
      ...names.map((name) => make("option", { value: name }, name.replaceAll("_", " "))),
    );
    select.value = this.state.criterion;
    const back = make(
      "button",
      { type: "button", name: "back", onclick: () => this.update({ k: this.run.manifest.decision.k }) },
      "Back to the answer",
    );
    return make(
      "section",
      { class: "block half decision-block" },
      make("h3", {}, "How many components"),
      make("label", {}, "Criterion ", select),
      this.curve.element,
      make("p", {}, make("strong", { class: "answer-told" }), " ", back),
      make("p", { class: "stability-told" }),
      make("details", {}, make("summary", {}, "Why"), make("p", { class: "reason-told" })),
    );
  }

  lineBlock() {
    const words = "Choose the tool Line and drag across a boundary on the map, or give both ends here.";
    return make(
      "section",
      { class: "block wide line-block" },
      make("h3", {}, "Line across the map"),
      make("p", {}, words),
      lineBox(this),
      this.profile.element,
      make("div", { class: "legend profile-legend" }),
      make("p", { class: "line-told" }),
      this.lineStrip.element,
    );
  }

  detectorBlock() {
    const words =
      "Choose the tool Detector and drag on a pattern: the map shows the virtual image of that disc or annulus.";
    return make(
      "div",
      { class: "detector-block" },
      make("h3", {}, "Virtual detector"),
      make("p", {}, words),
      detectorBox(this),
    );
  }
}
