// Editing with undo: the list of crystals, what can be done to them, and where the edits go.

import { Bench, checkEdit, readEdits, writeEdits } from "./edits.js";
import { download, make } from "./panel.js";

const FILE = "edits.yaml";
const MOST_BYTES = 65536;
const LEAST_PART = 5; // probes; what "split" begins with

/** Operations that are done, and those that were undone; `saved` is the text that was saved last. */
export class History {
  constructor(done) {
    Object.assign(this, { done, undone: [] });
  }

  add(edit) {
    this.done = [...this.done, edit];
    this.undone = [];
  }

  /** Move the last operation from one list to the other; false where there is none. */
  step(back) {
    const [from, to] = back ? ["done", "undone"] : ["undone", "done"];
    if (!this[from].length) return false;
    this[to] = [...this[to], this[from].at(-1)];
    this[from] = this[from].slice(0, -1);
    return true;
  }
}

function bench({ run, base }) {
  const { labels, first, second, ratio, crystalWeights: weights, crystals, roles } = base;
  const probes = run.maps.probes.data;
  const shape = [run.height, run.width];
  const found = { shape, labels, first, second, ratio, weights, probes, crystals, roles };
  return new Bench(found, (number) => run.paletteColor(number));
}

/** The factors that are shown: those of the run, and at the k that was chosen, as the edits leave them. */
export function followEdits(explorer) {
  const { base, history } = explorer;
  if (!base.chosen || !base.full || !history.done.length) return base;
  const view = bench(explorer).replay(history.done).view();
  return Object.assign(Object.create(base), view, { edited: true, means: meansOf(base, view) });
}

/**
 * Measured means {pattern, of}: of a crystal that whole clusters of the run make up, its own; of another one that
 * of the run's crystals that it is made of, which `of` names.
 */
function meansOf(base, { labels, nCrystals, origins }) {
  const totals = new Uint32Array(base.nCrystals);
  const counts = Array.from({ length: nCrystals }, () => new Uint32Array(base.nCrystals));
  for (let p = 0; p < labels.length; p++) {
    if (base.labels[p] >= 0) totals[base.labels[p]]++;
    if (labels[p] >= 0) counts[labels[p]][base.labels[p]]++;
  }
  return counts.map((row, crystal) => {
    const whole = row.some(Boolean) && row.every((count, c) => !count || count === totals[c]);
    const of = whole ? [...row.keys()].filter((c) => row[c]) : origins[crystal].filter((c) => totals[c]);
    const n = of.reduce((sum, c) => sum + totals[c], 0);
    if (!n) return null;
    const pattern = new Float32Array(base.means[0].pattern.length);
    for (const c of of)
      for (let i = 0; i < pattern.length; i++) pattern[i] += (totals[c] / n) * base.means[c].pattern[i];
    return { pattern, of: whole ? null : of };
  });
}

function say(explorer, words, bad = false) {
  const output = explorer.root.querySelector('[name="edits-told"]');
  output.textContent = words;
  output.classList.toggle("bad", bad);
}

/** Do operations, all or none; gives whether they were done. */
function perform(explorer, edits, words) {
  const { history } = explorer;
  try {
    edits.forEach(checkEdit);
    bench(explorer).replay([...history.done, ...edits]);
  } catch (error) {
    say(explorer, error.message.replace(/^edit \d+ \(\w+\) cannot be done: /, ""), true);
    explorer.update({ edits: null }); // fields show again what holds
    return false;
  }
  edits.forEach((edit) => history.add(edit));
  for (const { check } of explorer.editRows.values()) check.checked = false;
  changed(explorer, words);
  return true;
}

function changed(explorer, words) {
  say(explorer, words);
  explorer.update({ edits: null });
  explorer.run.transport.edited?.(textOf(explorer));
}

function textOf({ run, history }) {
  return writeEdits(run.manifest.identity, history.done);
}

function stepBack(explorer, back) {
  const { base, history } = explorer;
  if (!base.chosen) return;
  if (!history.step(back)) {
    say(explorer, back ? "Nothing to undo." : "Nothing to do again.");
    return;
  }
  const edit = back ? history.undone.at(-1) : history.done.at(-1);
  changed(explorer, `${back ? "Undone" : "Done again"}: ${edit.do}.`);
}

/** Ctrl-Z and Ctrl-Shift-Z (or Ctrl-Y); a field in which something is being typed has its own. */
export function editKey(explorer, event) {
  const key = event.key.toLowerCase();
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(key)) return;
  const { target } = event;
  if (target.matches('input:not([type="checkbox"], [type="radio"], [type="color"], [type="range"])')) {
    if (target.dataset.held === undefined || target.value !== target.dataset.held) return;
  }
  event.preventDefault();
  event.stopPropagation();
  stepBack(explorer, key === "z" && !event.shiftKey);
}

function chosenNumbers(explorer) {
  return [...explorer.editRows.entries()].filter(([, { check }]) => check.checked).map(([number]) => number);
}

function mergeChosen(explorer) {
  const crystals = chosenNumbers(explorer);
  if (crystals.length < 2) return say(explorer, "Tick two or more crystals to merge them.", true);
  return perform(explorer, [{ do: "merge", crystals }], `Merged ${crystals.join(", ")}.`);
}

function eachChosen(explorer, edit, words) {
  const crystals = chosenNumbers(explorer);
  if (!crystals.length) return say(explorer, "Tick a crystal first.", true);
  return perform(
    explorer,
    crystals.map((crystal) => ({ ...edit, crystal })),
    `${words} ${crystals.join(", ")}.`,
  );
}

function splitChosen(explorer) {
  const { stride } = explorer.run.manifest.scan;
  if (stride > 1)
    return say(explorer, `This report holds every ${stride}th probe: \`unmix4d explore\` splits.`, true);
  const least = Math.max(1, Math.round(Number(explorer.root.querySelector('[name="least"]').value)) || 1);
  return eachChosen(explorer, { do: "split", least }, "Split");
}

async function load(explorer, file) {
  try {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than ${MOST_BYTES} bytes`);
    const edits = readEdits(await file.text(), explorer.run.manifest.identity);
    bench(explorer).replay(edits);
    Object.assign(explorer.history, { done: edits, undone: [] });
  } catch (error) {
    return say(explorer, `Not loaded: ${error.message}`, true);
  }
  return changed(explorer, `Loaded ${explorer.history.done.length} edits.`);
}

async function save(explorer) {
  try {
    say(explorer, await explorer.run.transport.save(textOf(explorer)));
  } catch (error) {
    say(explorer, `Not saved: ${error.message}`, true);
  }
}

function button(words, name, act) {
  return make("button", { type: "button", name, onclick: act }, words);
}

/** The block with the list of crystals. */
export function editBlock(explorer) {
  const { run } = explorer;
  explorer.editRows = new Map();
  explorer.history = new History(run.manifest.edits ?? []);
  explorer.root.tabIndex = -1; // so that keys arrive here after a click between the fields
  explorer.root.addEventListener("keydown", (event) => editKey(explorer, event));
  const file = make("input", { type: "file", name: "edits-file", accept: ".yaml,.yml", hidden: true });
  file.addEventListener("change", () => {
    if (file.files.length) load(explorer, file.files[0]);
    file.value = "";
  });
  const keep = run.manifest.saves ? [button("Save into the run folder", "save-edits", () => save(explorer))] : [];
  const field = make("input", { type: "number", name: "least", min: 1, step: 1, value: LEAST_PART });
  const words =
    "Change a name or a colour in the list; tick crystals to merge, mark or split them. " +
    "The result of the run itself stays as it is.";
  return make(
    "section",
    { class: "block wide edit-block" },
    make("h3", {}, "Crystals"),
    make("p", {}, words),
    make(
      "div",
      { class: "fields edit-tools" },
      button("Undo", "undo", () => stepBack(explorer, true)),
      button("Redo", "redo", () => stepBack(explorer, false)),
      button("Merge", "merge", () => mergeChosen(explorer)),
      button("Background", "background", () =>
        eachChosen(explorer, { do: "mark", as: "background" }, "Background:"),
      ),
      button("Vacuum", "vacuum", () => eachChosen(explorer, { do: "mark", as: "vacuum" }, "Vacuum:")),
      button("Split into separate parts", "split", () => splitChosen(explorer)),
      make("label", {}, make("span", {}, "of at least (probes)"), field),
      ...keep,
      button(`Download ${FILE}`, "download-edits", () =>
        download(FILE, new Blob([textOf(explorer)], { type: "application/yaml" })),
      ),
      button("Load edits …", "load-edits", () => file.click()),
      file,
    ),
    make("output", { name: "edits-told", role: "status" }),
    make("div", { class: "scroll" }, make("table", { class: "crystals" })),
    make("p", { class: "edits-elsewhere" }),
  );
}

function makeRow(explorer, number) {
  const check = make("input", { type: "checkbox", "aria-label": `choose crystal ${number}` });
  const color = make("input", { type: "color", "aria-label": `colour of crystal ${number}` });
  const name = make("input", { type: "text", class: "name", "aria-label": `name of crystal ${number}` });
  color.addEventListener("change", () => {
    if (color.value !== color.dataset.held)
      perform(explorer, [{ do: "recolor", crystal: number, color: color.value }], `Recoloured ${number}.`);
  });
  name.addEventListener("change", () => {
    const given = name.value.trim();
    if (given !== name.dataset.held)
      perform(explorer, [{ do: "rename", crystal: number, name: given }], `Renamed ${number}.`);
    else name.value = given;
  });
  const cells = Array.from({ length: 3 }, () => make("td"));
  const row = make(
    "tr",
    {},
    make("td", { class: "left" }, make("label", { class: "radio" }, check, String(number))),
    make("td", { class: "left" }, color),
    make("td", { class: "left" }, name),
    ...cells,
  );
  return { row, check, color, name, cells };
}

function hold(input, value) {
  input.value = input.dataset.held = value;
}

/** Fill the list with the crystals as they are now; rows stay, so that the keyboard does not lose its place. */
export function showCrystals(explorer) {
  const { factors, base, editRows, root, history, run } = explorer;
  const editable = base.chosen && base.full;
  root.querySelector(".edit-tools").hidden = root.querySelector(".crystals").hidden = !editable;
  root.querySelector(".edits-elsewhere").textContent = editable
    ? ""
    : `Edits are those of the answer, k = ${run.manifest.decision.k}; choose it to see and change them.`;
  if (!editable) return;
  for (const [name, list] of [
    ["undo", history.done],
    ["redo", history.undone],
  ])
    root.querySelector(`[name="${name}"]`).setAttribute("aria-disabled", String(!list.length));
  const counts = new Uint32Array(factors.nCrystals);
  for (const label of factors.labels) if (label >= 0) counts[label]++;
  for (const number of [...editRows.keys()]) if (!factors.numbers.includes(number)) editRows.delete(number);
  factors.numbers.forEach((number, i) => {
    if (!editRows.has(number)) editRows.set(number, makeRow(explorer, number));
    const { color, name, cells } = editRows.get(number);
    hold(color, factors.colors[i]);
    hold(name, factors.names[i]);
    cells[0].textContent = String(counts[i]);
    cells[1].textContent = `${((100 * counts[i]) / run.nProbes).toFixed(1)} %`;
    cells[2].textContent = factors.members[i].join(", ");
  });
  const wanted = factors.numbers.map((number) => editRows.get(number).row);
  const table = root.querySelector(".crystals");
  if (!table.tBodies.length) table.append(make("thead", {}, heads()), make("tbody"));
  const body = table.tBodies[0];
  for (const row of [...body.rows]) if (!wanted.includes(row)) row.remove();
  wanted.forEach((row, i) => {
    if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] ?? null);
  });
}

function heads() {
  const words = ["crystal", "colour", "name", "probes", "area", "components"];
  return make("tr", {}, ...words.map((w, i) => make("th", { scope: "col", class: i < 3 && "left" }, w)));
}

/** Point out the crystal of the probe that is looked at. */
export function markCrystal({ factors, editRows, run, looked }) {
  const number = factors.numbers[factors.labels[run.index(looked)]];
  for (const [other, { row }] of editRows) row.classList.toggle("here", other === number);
}
