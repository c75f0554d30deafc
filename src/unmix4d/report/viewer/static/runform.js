// A run of the scan: what it is started with, how it stands, and its end.

import { choice, labelled } from "./controls.js";
import { make } from "./panel.js";

const ASK_EVERY = 400; // ms
const BUSY = ["running", "stopping"];
const WORDS = {
  running: "Running …",
  stopping: "Stopping …",
  finished: "Finished.",
  failed: "Failed.",
  interrupted: "Interrupted.",
};

export class RunForm {
  constructor(run) {
    this.transport = run.transport;
    this.seen = null; // the last state that was told
    const { filters, filter, k, k_max: most, name, parent } = run.manifest.form;
    const field = (attributes) => make("input", { autocomplete: "off", ...attributes });
    const tick = (title, words) => {
      const box = field({ type: "checkbox", name: title });
      return make("label", { class: "radio", "data-for": title, hidden: title === "anew" }, box, words);
    };
    this.begin = make("button", { type: "submit", name: "start" }, "Start");
    this.stop = make(
      "button",
      { type: "button", name: "stop", hidden: true, onclick: () => this.cancel() },
      "Cancel",
    );
    this.form = make(
      "form",
      { class: "fields", onsubmit: (event) => this.start(event) },
      labelled(
        "Filter",
        choice(
          "filter",
          filters.map((f) => [f, f]),
          () => null,
        ),
      ),
      labelled("k (auto or a number)", field({ name: "k", value: k, size: 6, required: true })),
      labelled("Largest k", field({ name: "k_max", type: "number", min: 1, step: 1, value: most, required: true })),
      labelled(
        "Folder to write",
        field({ name: "name", value: name, size: 24, required: true, oninput: () => this.lookForKept() }),
      ),
      tick("overwrite", "replace an earlier run"),
      tick("anew", "start anew, without the steps that were kept"),
      this.begin,
      this.stop,
    );
    this.form.elements.filter.value = filter;
    this.stages = make("div", { class: "stages" });
    this.state = make("p", { class: "job-told", role: "status" });
    this.words = make("p", { class: "job-words", role: "alert" });
    this.element = make(
      "section",
      { class: "run-block" },
      make("h3", {}, "Find the crystals"),
      make("p", {}, `A run writes its folder into ${parent} and is shown here when it has finished.`),
      this.form,
      this.state,
      this.words,
      this.stages,
    );
    this.lookForKept();
  }

  /** Offer to start anew where an interrupted run has kept its steps. */
  async lookForKept() {
    const name = this.form.elements.name.value;
    const kept = await this.transport.kept(name).catch(() => false);
    if (name === this.form.elements.name.value) this.form.querySelector('[data-for="anew"]').hidden = !kept;
  }

  async start(event) {
    event.preventDefault();
    const { filter, k, k_max: most, name, overwrite, anew } = this.form.elements;
    const wish = { filter: filter.value, k: k.value.trim(), k_max: most.value, name: name.value.trim() };
    this.begin.disabled = true;
    try {
      this.show(
        await this.transport.post("job/start", { ...wish, overwrite: overwrite.checked, anew: anew.checked }),
      );
      this.follow();
    } catch (error) {
      this.refuse(error.message);
      this.begin.disabled = false;
    }
  }

  /** Say why nothing was begun. */
  refuse(words) {
    this.state.textContent = "";
    this.stages.replaceChildren();
    this.say([`error: ${words}`]);
  }

  /** Show sentences; those that tell of an error stand out. */
  say(sentences) {
    const kind = (sentence) => (/^(internal )?error: /.test(sentence) ? "bad" : "");
    this.words.replaceChildren(
      ...sentences.map((sentence) => make("span", { class: kind(sentence) }, `${sentence} `)),
    );
  }

  async cancel() {
    try {
      this.show(await this.transport.post("job/cancel", {}));
    } catch (error) {
      this.say([`error: ${error.message}`]);
    }
  }

  /** Ask how the run stands until it has ended. */
  async follow() {
    try {
      this.show(await this.transport.job());
    } catch (error) {
      this.say([`error: the server does not answer (${error.message}): start unmix4d explore again`]);
      this.begin.disabled = false;
      this.stop.hidden = true;
      return;
    }
    clearTimeout(this.timer);
    if (BUSY.includes(this.seen)) this.timer = setTimeout(() => this.follow(), ASK_EVERY);
  }

  show({ state, folder, stages, words, answer }) {
    const watched = BUSY.includes(this.seen);
    const busy = BUSY.includes(state);
    this.seen = state;
    this.element.dataset.state = state;
    this.begin.disabled = busy;
    this.stop.hidden = !busy;
    this.state.textContent = state === "none" ? "" : `${folder}: ${WORDS[state]}`;
    this.say(words);
    this.stages.replaceChildren(...stages.map((stage) => this.bar(stage)));
    if (state === "finished") {
      const { n_crystals: n, k, confidence } = answer;
      const found = `${n} crystal${n === 1 ? "" : "s"} in k = ${k}, confidence ${confidence}. `;
      this.state.append(` ${found}`, make("a", { href: "run/" }, "Open the run"));
      if (watched) window.location.assign("run/");
    }
    if (watched && !busy) this.lookForKept();
  }

  bar({ stage, done, total }) {
    const share = total > 0 ? Math.min(done / total, 1) : 1;
    const bar = make("progress", { max: 1, value: share, "aria-label": stage });
    return make(
      "label",
      { class: "stage" },
      make("span", {}, stage),
      bar,
      make("span", {}, `${Math.round(100 * share)} %`),
    );
  }
}
