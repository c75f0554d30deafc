// Edits by hand: the file of them, and what each operation does to the crystals. edit/file.py and edit/replay.py do
// the same; tests/edits/cases.json holds cases that both must answer alike.

import { strongest } from "./model.js";

const VERSION = 1;
const MOST_EDITS = 500;
const LONGEST_NAME = 40;
const MOST_NUMBER = 32767;
const MOST_PARTS = 50;
const MATERIAL = { share: 0.1, quantile: 0.9, own: 0.5 }; // as in quality/material.py
const HEADING = "# Edits by hand of a run of unmix4d: docs/explore.md says what each does.\n";
const KEYS = {
  rename: ["crystal", "name"],
  recolor: ["crystal", "color"],
  merge: ["crystals"],
  mark: ["crystal", "as"],
  split: ["crystal", "least"],
};
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffe\uffff]/u;

/** The text of a file of edits. */
export function writeEdits(run, edits) {
  const list = edits.length
    ? `edits:\n${edits.map((edit) => `- ${JSON.stringify(edit)}\n`).join("")}`
    : "edits: []\n";
  return `${HEADING}version: ${VERSION}\nrun: ${JSON.stringify(run)}\n${list}`;
}

/** Operations of the text of a file, which must belong to this run; an Error says in a sentence what is wrong. */
export function readEdits(text, run) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() && !line.startsWith("#"));
  const value = (key, place) => {
    const found = lines[place]?.match(`^${key}:\\s*(.*)$`);
    if (!found) throw new Error("this is no file of edits as the explorer saves it: one operation on each line");
    return found[1] === "" ? null : parsed(found[1]);
  };
  const [version, of, list] = [value("version", 0), value("run", 1), value("edits", 2)];
  if (!Number.isInteger(version) || version < 1 || version > VERSION)
    throw new Error(`the file has version ${version}; this page reads up to ${VERSION}`);
  if (of?.labels !== run.labels)
    throw new Error(
      `the file belongs to another run (of ${String(of?.source).slice(0, 80)}, k = ${String(of?.k).slice(0, 8)})`,
    );
  const rest = lines.slice(3).map((line) => line.match(/^\s*- (\{.*\})\s*$/)?.[1] ?? "");
  const edits = list ?? rest.map(parsed);
  if (!Array.isArray(edits) || (list && rest.length) || edits.length > MOST_EDITS)
    throw new Error(`edits must be a list of at most ${MOST_EDITS} operations`);
  edits.forEach((edit, i) => named(`edit ${i + 1}: `, () => checkEdit(edit)));
  return edits;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`"${text.slice(0, 60)}" cannot be read: one operation on each line, as the explorer writes it`);
  }
}

function named(words, act) {
  try {
    return act();
  } catch (error) {
    throw new Error(words + error.message);
  }
}

/** Throw an Error that says what is wrong with an operation as it is written. */
export function checkEdit(edit) {
  const known = KEYS[Object.hasOwn(KEYS, edit?.do) ? edit.do : ""];
  if (!known) throw new Error(`do must be one of ${Object.keys(KEYS).join(", ")}`);
  const keys = Object.keys(edit).sort().join();
  if (keys !== ["do", ...known].sort().join()) throw new Error(`${edit.do} takes ${known.join(" and ")}`);
  if (edit.do === "merge") {
    if (!Array.isArray(edit.crystals) || edit.crystals.length < 2)
      throw new Error("merge takes a list of at least two crystals");
    edit.crystals.forEach((number) => checkNumber(number, "each crystal"));
    if (new Set(edit.crystals).size < edit.crystals.length) throw new Error("merge names a crystal twice");
    return;
  }
  checkNumber(edit.crystal, "crystal");
  if (edit.do === "rename") checkName(edit.name);
  if (edit.do === "recolor" && !/^#[0-9a-f]{6}$/.test(edit.color))
    throw new Error('a colour must be like "#1e69c3"');
  if (edit.do === "mark" && !["background", "vacuum"].includes(edit.as))
    throw new Error("as must be background or vacuum");
  if (edit.do === "split") checkNumber(edit.least, "least", 1, 2 ** 31 - 1);
}

function checkNumber(value, what, least = 0, most = MOST_NUMBER) {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${what} must be a whole number from ${least} to ${most}`);
}

function checkName(name) {
  if (typeof name !== "string" || !name.trim() || name !== name.trim())
    throw new Error("a name must be text that neither begins nor ends with a space");
  if ([...name].length > LONGEST_NAME)
    throw new Error(`a name may have ${LONGEST_NAME} characters, got ${[...name].length}`);
  if (INVISIBLE.test(name)) throw new Error("a name must be one line of visible characters");
}

/**
 * Crystals as they are after some operations. `base`: shape, labels, first, second, ratio, weights, probes, and for
 * each component its crystal and role, as the run found them; `palette(number)` gives the colour of a crystal.
 */
export class Bench {
  constructor(base, palette) {
    Object.assign(this, { base, palette, marks: new Map(), structural: false });
    this.pieces = base.weights.map((weights, number) => {
      const components = base.crystals.flatMap((crystal, i) => (crystal === number ? [i] : []));
      return { number, origin: number, name: "", color: "", components, weights };
    });
    this.seen = Uint8Array.from(base.labels, (label) => (label >= 0 ? 1 : 0));
    this.nextNumber = this.pieces.length;
  }

  /** Do operations; an Error says which cannot be done, and why. */
  replay(operations) {
    operations.forEach((edit, i) => named(`edit ${i + 1} (${edit.do}) cannot be done: `, () => this.do(edit)));
    return this;
  }

  do(edit) {
    const places = (edit.crystals ?? [edit.crystal]).map((number) => this.place(number));
    const piece = this.pieces[places[0]];
    if (edit.do === "rename") this.rename(piece, edit.name);
    else if (edit.do === "recolor") piece.color = edit.color;
    else {
      this.structural = true;
      if (edit.do === "merge") this.merge(places);
      else if (edit.do === "mark") this.mark(places[0], edit.as);
      else this.split(places[0], edit.least);
    }
  }

  place(number) {
    const numbers = this.pieces.map((piece) => piece.number);
    const there = numbers.length ? `there are ${numbers.join(", ")}` : "none is left";
    if (!numbers.includes(number)) throw new Error(`there is no crystal ${number} at this point; ${there}`);
    return numbers.indexOf(number);
  }

  rename(piece, name) {
    const own = `crystal ${piece.number}`;
    if (/^crystal [0-9]+$/.test(name) && name !== own)
      throw new Error(`"${name}" is what the crystal with that number is called: give another name`);
    if (this.pieces.some((other) => other !== piece && nameOf(other) === name))
      throw new Error(`another crystal is called "${name}": give another name, or merge them`);
    piece.name = name === own ? "" : name;
  }

  merge(places) {
    const [kept, ...others] = places.map((at) => this.pieces[at]);
    const weights = kept.weights.slice();
    for (const other of others) for (let p = 0; p < weights.length; p++) weights[p] += other.weights[p];
    const components = [...new Set([kept, ...others].flatMap((piece) => piece.components))].sort((a, b) => a - b);
    Object.assign(kept, { weights, components, origin: -1 });
    this.pieces = this.pieces.filter((piece) => !others.includes(piece));
  }

  mark(at, role) {
    for (const component of this.pieces[at].components) this.marks.set(component, role);
    this.pieces.splice(at, 1);
    const total = new Float64Array(this.seen.length);
    for (const { weights } of this.pieces) for (let p = 0; p < total.length; p++) total[p] += weights[p];
    const material = findMaterial(total, this.base.probes, this.base.shape);
    this.seen = this.seen.map((seen, p) => (seen && material[p] && total[p] > 0 ? 1 : 0));
  }

  split(at, least) {
    const piece = this.pieces[at];
    const { labels } = this.strongest();
    const cluster = labels.map((label) => (label === at ? 1 : 0));
    const parts = named(`crystal ${piece.number} `, () => partsOf(cluster, this.base.shape, least));
    const share = (part) => piece.weights.map((weight, p) => (parts.of[p] === part ? weight : 0));
    for (let part = 1; part < parts.n; part++)
      this.pieces.push({ ...piece, number: this.nextNumber++, name: "", color: "", weights: share(part) });
    piece.weights = share(0);
  }

  strongest() {
    const { labels, first, second, ratio } = this.base;
    if (!this.structural) return { labels, first, second, ratio };
    const found = strongest(
      this.pieces.map((piece) => piece.weights),
      this.seen,
    );
    // A pair that no edit touched keeps its ratio: that of a report is exact, its weights are rounded.
    const origins = this.pieces.map((piece) => piece.origin);
    for (let p = 0; p < first.length; p++) {
      const [one, two] = [found.first[p], found.second[p]];
      if (two >= 0 && first[p] === origins[one] && second[p] === origins[two]) found.ratio[p] = ratio[p];
    }
    return found;
  }

  /** What is shown of the crystals, in the order of their numbers. */
  view() {
    const { pieces, marks } = this;
    const crystals = this.base.crystals.map((_, i) => pieces.findIndex((piece) => piece.components.includes(i)));
    return {
      ...this.strongest(),
      nCrystals: pieces.length,
      crystalWeights: pieces.map((piece) => piece.weights),
      crystals,
      roles: this.base.roles.map((role, i) => {
        if (crystals[i] < 0) return marks.get(i) ?? role;
        const chief = crystals.findIndex((c, j) => c === crystals[i] && this.base.roles[j] === "crystal");
        return role === "crystal" && i !== chief ? "split" : role;
      }),
      numbers: pieces.map((piece) => piece.number),
      members: pieces.map((piece) => piece.components),
      origins: pieces.map((piece) =>
        [...new Set(piece.components.map((i) => this.base.crystals[i]))].sort((a, b) => a - b),
      ),
      names: pieces.map(nameOf),
      tags: pieces.map((piece) => piece.name || String(piece.number)),
      colors: pieces.map((piece) => piece.color || this.palette(piece.number)),
    };
  }
}

function nameOf({ name, number }) {
  return name || `crystal ${number}`;
}

/** Where there is specimen, as quality/material.py finds it. */
function findMaterial(total, probes, [height, width]) {
  const smooth = new Float64Array(total.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!probes[y * width + x]) continue;
      let [sum, n] = [0, 0];
      eachAround(y, x, height, width, (q) => {
        if (!probes[q]) return;
        sum += total[q];
        n++;
      });
      smooth[y * width + x] = sum / n;
    }
  }
  const sorted = smooth.filter((_, p) => probes[p]).sort();
  const place = (sorted.length - 1) * MATERIAL.quantile;
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  const limit = MATERIAL.share * (sorted[low] + (sorted[high] - sorted[low]) * (place - low));
  return smooth.map((v, p) => (probes[p] && v > limit && total[p] > MATERIAL.own * limit ? 1 : 0));
}

/** Call `act` with each probe of the 3 x 3 about a place, itself included. */
function eachAround(y, x, height, width, act) {
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) act(v * width + u);
}

/** The part of a cluster that each probe belongs to or is nearest to: {n, of}; see edit/regions.py. */
function partsOf(cluster, [height, width], least) {
  const of = new Int16Array(cluster.length).fill(-1);
  const pieces = [];
  const met = new Uint8Array(cluster.length);
  for (let start = 0; start < cluster.length; start++) {
    if (!cluster[start] || met[start]) continue;
    const piece = [start];
    met[start] = 1;
    for (let i = 0; i < piece.length; i++) {
      eachAround(Math.floor(piece[i] / width), piece[i] % width, height, width, (q) => {
        if (cluster[q] && !met[q]) {
          met[q] = 1;
          piece.push(q);
        }
      });
    }
    pieces.push(piece);
  }
  const kept = pieces.filter((piece) => piece.length >= least).sort((a, b) => b.length - a.length);
  if (kept.length < 2) throw new Error(`has no two separate parts of at least ${least} probes`);
  if (kept.length > MOST_PARTS)
    throw new Error(`has ${kept.length} parts of at least ${least} probes, of ${MOST_PARTS} at most: ask for more`);
  kept.forEach((piece, part) => piece.forEach((p) => (of[p] = part)));
  // Ring by ring: each probe takes the lowest part that a neighbour of the ring before has.
  let ring = kept.flat();
  while (ring.length) {
    const next = new Map();
    for (const p of ring) {
      eachAround(Math.floor(p / width), p % width, height, width, (q) => {
        if (of[q] < 0 && !(next.get(q) <= of[p])) next.set(q, of[p]);
      });
    }
    for (const [q, part] of next) of[q] = part;
    ring = [...next.keys()];
  }
  return { n: kept.length, of };
}
