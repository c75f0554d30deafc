// A panel: a heading with buttons, a canvas that fits its width, a line of words below; and its export.

import { CanvasPen, SvgPen } from "./pen.js";

const EXPORTED_SCALE = 2;

/** Make an element: attributes, `on...` listeners, children (text or elements). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Let the browser save something under a name. */
export function download(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const waiting = new Set(); // panels that are to be drawn

/** Draw every panel that waits for it. */
export function drawWaiting() {
  for (const panel of [...waiting]) panel.drawNow();
}

export class Panel {
  /** `look()` gives the colours {ink, soft, line, panel, accent}; `file` begins the names of exports. */
  constructor({ title, name, label, look, file, bare = false, focusable = true }) {
    this.look = look;
    this.file = file;
    this.name = name;
    this.titleBox = make("h4", {}, title);
    this.tools = make("span", { class: "panel-tools" });
    this.canvas = make("canvas", { "aria-label": label ?? title, role: "img" });
    if (focusable) {
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "application");
    }
    this.words = make("figcaption", { class: "readout" });
    this.element = make("figure", { class: `panel ${name}`, "data-panel": name });
    if (!bare) {
      this.tool("PNG", `Save ${title} as PNG`, () => this.exportPng());
      this.tool("SVG", `Save ${title} as SVG`, () => this.exportSvg());
      this.element.append(make("div", { class: "panel-head" }, this.titleBox, this.tools));
    }
    this.element.append(this.canvas, this.words);
    this.size = [0, 0];
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  tool(words, label, act) {
    this.tools.append(make("button", { type: "button", title: label, "aria-label": label, onclick: act }, words));
  }

  set title(words) {
    if (this.titleBox.textContent !== words) this.titleBox.textContent = words;
  }

  say(words) {
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  /** Height of the canvas for a width, in CSS pixels. */
  heightFor(width) {
    return width;
  }

  fit() {
    const width = Math.floor(this.element.clientWidth);
    if (width <= 0) return;
    const height = Math.round(this.heightFor(width));
    const ratio = window.devicePixelRatio || 1;
    this.size = [width, height];
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      Object.assign(this.canvas, { width: w, height: h });
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    this.drawNow();
  }

  /** Draw with the next frame, or with `drawWaiting`. */
  redraw() {
    if (!waiting.size) requestAnimationFrame(drawWaiting);
    waiting.add(this);
  }

  drawNow() {
    waiting.delete(this);
    const [width, height] = this.size;
    if (!width) return;
    const context = this.canvas.getContext("2d");
    const ratio = this.canvas.width / width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.paint(new CanvasPen(context), width, height);
  }

  fileName(ending) {
    const words = this.titleBox.textContent.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    return `${this.file}-${words}.${ending}`;
  }

  exportPng() {
    const [width, height] = this.size;
    const canvas = make("canvas", { width: width * EXPORTED_SCALE, height: height * EXPORTED_SCALE });
    const context = canvas.getContext("2d");
    context.scale(EXPORTED_SCALE, EXPORTED_SCALE);
    const pen = new CanvasPen(context);
    pen.rect(0, 0, width, height, { fill: this.look().panel });
    this.paint(pen, width, height);
    canvas.toBlob((blob) => download(this.fileName("png"), blob));
  }

  exportSvg() {
    const [width, height] = this.size;
    const pen = new SvgPen(width, height);
    pen.rect(0, 0, width, height, { fill: this.look().panel });
    this.paint(pen, width, height);
    download(this.fileName("svg"), new Blob([pen.toString()], { type: "image/svg+xml" }));
  }
}
