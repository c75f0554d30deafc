// A picture in a panel: a map or a pattern, with zoom and pan, a scale bar below it, and a pointer on it.

import { download, make, Panel } from "./panel.js";
import { tiff } from "./tiff.js";

const STRIP = 24; // CSS pixels below a picture for its scale bar
const SLACK = 4; // pixels that a click may move
const THINNEST = 40; // CSS pixels that a picture has along its shorter side
const ZOOM_STEP = 1.4;
const LARGEST_ZOOM = 64;

export class Picture extends Panel {
  /**
   * `hover(place)` and `pick(place)` are told of places {y, x} in elements, fractions kept; `grab(place, reach)`
   * may give {move, end} to take a drag; `key(event)` says whether it took a key; `overlay(pen, picture)` draws.
   */
  constructor(options) {
    super(options);
    const none = () => null;
    this.hooks = { hover: none, pick: none, grab: none, key: none, overlay: none, ...options.hooks };
    this.tallest = options.tallest ?? 1.25;
    this.strip = options.bare ? 0 : STRIP;
    this.shape = [1, 1];
    this.source = make("canvas", { width: 1, height: 1 });
    this.bar = null;
    this.reset();
    if (!options.bare) {
      if (options.data) {
        const title = `Save ${options.title} as TIFF, with its values`;
        this.tool("TIFF", title, () => this.exportTiff(options.data()));
      }
      for (const [words, label, factor] of [
        ["+", "Zoom in", ZOOM_STEP],
        ["−", "Zoom out", 1 / ZOOM_STEP],
      ]) {
        this.tool(words, label, () => this.zoomBy(factor));
      }
      this.tool("⟲", "Show all", () => this.reset());
      this.listen();
    }
  }

  reset() {
    this.view = { zoom: 1, y: this.shape[0] / 2, x: this.shape[1] / 2 };
    this.redraw();
  }

  /** Show RGBA of a picture (height, width); `bar(n)` gives the scale bar of n elements: {elements, label}. */
  show(rgba, shape, bar = null) {
    this.bar = bar;
    if (this.source.height !== shape[0] || this.source.width !== shape[1]) {
      this.source = make("canvas", { width: shape[1], height: shape[0] });
    }
    this.source.getContext("2d").putImageData(new ImageData(rgba, shape[1], shape[0]), 0, 0);
    if (this.shape[0] !== shape[0] || this.shape[1] !== shape[1]) {
      const [fy, fx] = [shape[0] / this.shape[0], shape[1] / this.shape[1]];
      this.view = { zoom: this.view.zoom, y: this.view.y * fy, x: this.view.x * fx };
      this.shape = shape;
      this.fit();
    } else this.redraw();
  }

  /** Save {values, step, unit}; nothing where there are no values. */
  exportTiff(data) {
    if (!data?.values) return;
    const file = tiff(data.values, this.shape, data.step, data.unit);
    download(this.fileName("tif"), new Blob([file], { type: "image/tiff" }));
  }

  heightFor(width) {
    const [h, w] = this.shape;
    return Math.max(THINNEST + 2, Math.min((width * h) / w, width * this.tallest)) + this.strip;
  }

  /**
   * Where the picture is: the frame, the width of an element (`scale`) and its height (`tall`), and the corner of
   * element (0, 0). A scan of one line is drawn as a band.
   */
  place(width = this.size[0], height = this.size[1]) {
    const [h, w] = this.shape;
    const room = [width - 2, height - this.strip - 2];
    const fitting = Math.min(room[0] / w, room[1] / h);
    const drawn = (n, most) => Math.max(n * fitting, Math.min(THINNEST, most));
    const frame = { width: drawn(w, room[0]), height: drawn(h, room[1]) };
    frame.left = 1 + (room[0] - frame.width) / 2;
    frame.top = 1 + (room[1] - frame.height) / 2;
    const scale = (frame.width / w) * this.view.zoom;
    const tall = (frame.height / h) * this.view.zoom;
    const middle = (at, n) => Math.min(Math.max(at, n / this.view.zoom / 2), n - n / this.view.zoom / 2);
    const left = frame.left + frame.width / 2 - middle(this.view.x, w) * scale;
    const top = frame.top + frame.height / 2 - middle(this.view.y, h) * tall;
    return { frame, scale, tall, left, top };
  }

  /** Place on the canvas, in CSS pixels, of the middle of an element. */
  toScreen(y, x) {
    const { scale, tall, left, top } = this.where;
    return [left + (x + 0.5) * scale, top + (y + 0.5) * tall];
  }

  /** Element under a place on the canvas, fractions counted from its middle; null outside the picture. */
  fromScreen(px, py, clamped = false) {
    const { frame, scale, tall, left, top } = this.place();
    const inside =
      px >= frame.left && px < frame.left + frame.width && py >= frame.top && py < frame.top + frame.height;
    if (!inside && !clamped) return null;
    const within = (value, n) => Math.min(Math.max(value, -0.5), n - 0.5 - 1e-9);
    return {
      y: within((py - top) / tall - 0.5, this.shape[0]),
      x: within((px - left) / scale - 0.5, this.shape[1]),
    };
  }

  paint(pen, width, height) {
    const look = this.look();
    this.where = this.place(width, height);
    const { frame, scale, tall, left, top } = this.where;
    const [h, w] = this.shape;
    pen.within(frame.left, frame.top, frame.width, frame.height, () => {
      pen.image(this.source, left, top, w * scale, h * tall);
      this.hooks.overlay(pen, this);
    });
    pen.rect(frame.left - 0.5, frame.top - 0.5, frame.width + 1, frame.height + 1, {
      stroke: look.frame ?? look.soft,
    });
    if (!this.bar || !this.strip) return;
    const y = frame.top + frame.height + 9;
    const bar = this.bar(w / this.view.zoom);
    pen.rect(frame.left, y, bar.elements * scale, 4, { fill: look.ink });
    pen.text(frame.left + bar.elements * scale + 6, y + 2, bar.label, { fill: look.ink, size: 12 });
  }

  zoomBy(factor, about = null) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 1), LARGEST_ZOOM);
    if (about) {
      const kept = 1 - this.view.zoom / zoom;
      this.view = {
        zoom,
        y: this.view.y + (about.y + 0.5 - this.view.y) * kept,
        x: this.view.x + (about.x + 0.5 - this.view.x) * kept,
      };
    } else this.view = { ...this.view, zoom };
    this.settle();
  }

  /** Keep the middle of the view where it is drawn. */
  settle() {
    const [h, w] = this.shape;
    const middle = (at, n) => Math.min(Math.max(at, n / this.view.zoom / 2), n - n / this.view.zoom / 2);
    this.view = { zoom: this.view.zoom, y: middle(this.view.y, h), x: middle(this.view.x, w) };
    this.redraw();
  }

  at(event, clamped = false) {
    const box = this.canvas.getBoundingClientRect();
    return this.fromScreen(event.clientX - box.left, event.clientY - box.top, clamped);
  }

  listen() {
    const { canvas, hooks } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      const place = this.at(event);
      if (event.button !== 0 || !place) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      const reach = 8 / this.place().scale;
      const taken = event.shiftKey ? null : hooks.grab(place, reach);
      drag = { from: [event.clientX, event.clientY], view: { ...this.view }, moved: false, taken };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return hooks.hover(this.at(event));
      const [dx, dy] = [event.clientX - drag.from[0], event.clientY - drag.from[1]];
      drag.moved ||= Math.hypot(dx, dy) > SLACK;
      if (drag.taken) return drag.taken.move(this.at(event, true));
      if (!drag.moved || this.view.zoom === 1) return null;
      const { scale, tall } = this.place();
      this.view = { ...this.view, y: drag.view.y - dy / tall, x: drag.view.x - dx / scale };
      return this.settle();
    });
    canvas.addEventListener("pointerup", (event) => {
      const done = drag;
      drag = null;
      if (!done) return;
      if (done.taken) done.taken.end(this.at(event, true));
      else if (!done.moved) hooks.pick(this.at(event));
    });
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointerleave", () => drag || hooks.hover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (hooks.key(event) || this.zoomKey(event.key)) event.preventDefault();
    });
  }

  /** The wheel zooms a picture that was clicked or has the focus; elsewhere it scrolls the page. */
  wheel(event) {
    if (document.activeElement !== this.canvas && !event.ctrlKey) return;
    event.preventDefault();
    this.zoomBy(ZOOM_STEP ** (event.deltaY < 0 ? 1 : -1), this.at(event));
  }

  zoomKey(key) {
    if (key === "+" || key === "=") this.zoomBy(ZOOM_STEP);
    else if (key === "-") this.zoomBy(1 / ZOOM_STEP);
    else if (key === "0") this.reset();
    else return false;
    return true;
  }
}
