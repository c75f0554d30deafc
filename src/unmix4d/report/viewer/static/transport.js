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

  async get(path, signal = undefined) {
    const answer = await fetch(this.base + path, { signal, cache: "no-store" });
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

  /** The exact virtual image, block by block: `progress(share, first, values)` is told of each, in C order. */
  async virtual({ cy, cx, inner, outer }, nProbes, progress, signal) {
    const answer = await this.get(`virtual?cy=${cy}&cx=${cx}&inner=${inner}&outer=${outer}`, signal);
    const reader = answer.body.getReader();
    let rest = new Uint8Array(0);
    let done = 0;
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
        progress((done += n) / nProbes, first, new Float32Array(rest.slice(8, 8 + 4 * n).buffer));
        rest = rest.slice(8 + 4 * n);
      }
    }
    if (done < nProbes) throw new Error("the virtual image is incomplete: the scan could not be read to its end");
  }
}
