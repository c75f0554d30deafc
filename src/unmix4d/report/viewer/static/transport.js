// Where the explorer gets its data from: the page itself, or a server.

import { inflate, unbase64, unpack } from "./arrays.js";

/** The data stand in the page, compressed, one script element for each part. No patterns, no network. */
export class Embedded {
  constructor(root = document) {
    this.root = root;
    this.live = false;
  }

  async manifest() {
    return JSON.parse(this.root.querySelector('script[data-part="manifest"]').textContent);
  }

  async part(name) {
    return inflate(unbase64(this.root.querySelector(`script[data-part="${name}"]`).textContent));
  }
}

/** A server on this machine that reads the scan. Addresses are relative to the page, whose path holds the token. */
export class Served {
  constructor(base = "") {
    this.base = base;
    this.live = false;
    this.asked = 0;
    this.session = Math.random().toString(36).slice(2);
  }

  async get(path, signal = undefined, asked = {}) {
    const answer = await fetch(this.base + path, { signal, cache: "no-store", ...asked });
    if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
    return answer;
  }

  async manifest() {
    const told = await (await this.get("manifest")).json();
    this.live = told.live;
    return told;
  }

  async part(name) {
    return (await this.get(`part/${name}`)).arrayBuffer();
  }

  /** Pattern of a probe: {measured, filtered?}, each {data, shape}. A newer request of a lane ends older ones. */
  async pattern(y, x, signal, lane = "look") {
    const order = `lane=${this.session}-${lane}&order=${++this.asked}`;
    return unpack(await (await this.get(`pattern?y=${y}&x=${x}&${order}`, signal)).arrayBuffer());
  }

  /** Keep edits in the run folder; gives what to say of it. */
  async save(text) {
    const asked = { method: "POST", body: text, headers: { "content-type": "application/yaml" } };
    return (await this.get("edits", undefined, asked)).text();
  }

  /** What a pattern panel shows of a probe, as a file for HyperSpy. */
  async hspy({ what, k, y, x }) {
    return (await this.get(`hspy?what=${what}&k=${k}&y=${y}&x=${x}`)).arrayBuffer();
  }

  /** The exact virtual image, block by block: `progress(share, first, values)` is told of each, in C order. */
  async virtual({ cy, cx, inner, outer }, nProbes, progress, signal) {
    let done = 0;
    await this.stream(`virtual?cy=${cy}&cx=${cx}&inner=${inner}&outer=${outer}`, signal, (first, values) =>
      progress((done += values.length) / nProbes, first, values),
    );
    if (done < nProbes) throw new Error("the virtual image is incomplete: the scan could not be read to its end");
  }

  /** Numbers and values as they come: `told(number, values)`. */
  async stream(path, signal, told) {
    const answer = await this.get(path, signal);
    const reader = answer.body.getReader();
    let rest = new Uint8Array(0);
    for (;;) {
      const { value, done: ended } = await reader.read();
      if (ended) break;
      const joined = new Uint8Array(rest.length + value.length);
      joined.set(rest);
      joined.set(value, rest.length);
      rest = joined;
      while (rest.length >= 8) {
        const [first, n] = new Uint32Array(rest.slice(0, 8).buffer);
        if (rest.length < 8 + 4 * n) break;
        told(first, new Float32Array(rest.slice(8, 8 + 4 * n).buffer));
        rest = rest.slice(8 + 4 * n);
      }
    }
  }
}

/** A notebook: questions and answers are messages between this page and the kernel. */
export class Messaged {
  constructor(model) {
    this.model = model;
    this.live = false;
    this.asked = 0;
    this.waiting = new Map();
    this.listener = (content, buffers) => this.waiting.get(content.id)?.(content, buffers);
    model.on("msg:custom", this.listener);
  }

  close() {
    this.model.off("msg:custom", this.listener);
  }

  /** Ask; every answer goes to `told`, the last of them ends it. */
  ask(question, signal, told = () => null) {
    const id = ++this.asked;
    return new Promise((done, fail) => {
      const end = (finish, value) => {
        this.waiting.delete(id);
        finish(value);
      };
      signal?.addEventListener("abort", () => {
        if (this.waiting.has(id)) this.model.send({ id, ask: "cancel" });
        end(fail, new DOMException("cancelled", "AbortError"));
      });
      this.waiting.set(id, (content, buffers) => {
        const whole = ({ buffer, byteOffset: at, byteLength: n }) => buffer.slice(at, at + n);
        const answer = { ...content, buffers: (buffers ?? []).map(whole) };
        if (content.error) end(fail, new Error(content.error));
        else if (content.last) end(done, answer);
        else told(answer);
      });
      this.model.send({ id, ...question });
    });
  }

  async manifest() {
    const { manifest } = await this.ask({ ask: "manifest" });
    this.live = manifest.live;
    return manifest;
  }

  async part(name) {
    return (await this.ask({ ask: "part", name })).buffers[0];
  }

  async pattern(y, x, signal, lane = "look") {
    return unpack((await this.ask({ ask: "pattern", y, x, lane }, signal)).buffers[0]);
  }

  /** Tell Python of edits at once. */
  edited(text) {
    this.ask({ ask: "edits", text }).catch(() => null);
  }

  async save(text) {
    return (await this.ask({ ask: "save", text })).words;
  }

  async hspy({ what, k, y, x }) {
    return (await this.ask({ ask: "hspy", what, k, y, x })).buffers[0];
  }

  async virtual({ cy, cx, inner, outer }, nProbes, progress, signal) {
    let done = 0;
    await this.ask({ ask: "virtual", cy, cx, inner, outer }, signal, ({ first, buffers }) => {
      const values = new Float32Array(buffers[0]);
      progress((done += values.length) / nProbes, first, values);
    });
  }
}
