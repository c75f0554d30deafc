// Curves and bars in a panel.

import { contrastOf } from "./colors.js";
import { Panel } from "./panel.js";

const LEAST_CONTRAST = 2; // a curve with less is edged
const MARGIN = { left: 66, right: 54, top: 12, bottom: 40 };

/** Round numbers from `low` to `high`, about `n` of them. */
export function ticks(low, high, n = 5) {
  if (!(high > low)) return [low];
  const raw = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((s) => s * power >= raw * 0.999) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A number as people read it. */
export function told(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

/** Curves over x: `data` has series, x and left and right axes, bands and marks. */
export class Chart extends Panel {
  constructor(options) {
    super(options);
    this.pick = options.pick ?? null;
    this.key = options.key ?? (() => false);
    this.tall = options.height ?? 240;
    this.data = null;
    this.hovered = null;
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => {
      const nearest = this.nearest(event);
      if (this.pick && nearest !== null) this.pick(nearest);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event) && event.preventDefault());
  }

  /** {xs, xLabel, left: {label, low?, high?}, right?, series: [{name, color, ys, right?, dots?}], bands, marks}. */
  show(data) {
    this.data = data;
    this.redraw();
  }

  heightFor() {
    return this.tall;
  }

  nearest(event) {
    if (!this.scales || !this.data) return null;
    const box = this.canvas.getBoundingClientRect();
    const at = event.clientX - box.left;
    const { xs } = this.data;
    const distances = xs.map((x) => Math.abs(this.scales.x(x) - at));
    return xs.length ? distances.indexOf(Math.min(...distances)) : null;
  }

  hover(event) {
    this.hovered = event && this.data ? this.nearest(event) : null;
    this.redraw();
  }

  range(right) {
    const axis = right ? this.data.right : this.data.left;
    const values = this.data.series
      .filter((s) => Boolean(s.right) === right)
      .flatMap((s) => s.ys)
      .filter(Number.isFinite);
    const low = axis?.low ?? Math.min(...values);
    const high = axis?.high ?? Math.max(...values);
    if (!values.length) return [0, 1];
    const room = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
    return [axis?.low ?? low - room, axis?.high ?? high + room];
  }

  paint(pen, width, height) {
    const look = this.look();
    if (!this.data) return;
    const right = this.data.right ? MARGIN.right : 16;
    const box = { left: MARGIN.left, top: MARGIN.top, right: width - right, bottom: height - MARGIN.bottom };
    const { xs } = this.data;
    const pad = this.data.padded ? 0.6 : 0;
    const [from, to] = [Math.min(...xs) - pad, Math.max(...xs) + pad];
    const x = (value) => box.left + ((value - from) / (to - from || 1)) * (box.right - box.left);
    const axis =
      ([low, high]) =>
      (value) =>
        box.bottom - ((value - low) / (high - low || 1)) * (box.bottom - box.top);
    const ranges = [this.range(false), this.range(true)];
    this.scales = { x, left: axis(ranges[0]), right: axis(ranges[1]), box };
    this.paintGround(pen, box, look, [from, to]);
    this.paintAxes(pen, box, look, ranges, [from, to]);
    pen.within(box.left - 5, box.top - 5, box.right - box.left + 10, box.bottom - box.top + 10, () => {
      for (const series of this.data.series) this.paintSeries(pen, series);
    });
    if (this.hovered !== null) {
      const at = x(xs[this.hovered]);
      pen.line(
        [
          [at, box.top],
          [at, box.bottom],
        ],
        { stroke: look.soft, dash: [3, 3] },
      );
    }
  }

  paintGround(pen, box, look, [from, to]) {
    for (const band of this.data.bands ?? []) {
      const [a, b] = [Math.max(band.from, from), Math.min(band.to, to)].map(this.scales.x);
      if (b > a) pen.rect(a, box.top, b - a, box.bottom - box.top, { fill: look.band });
    }
    for (const mark of this.data.marks ?? []) {
      const at = this.scales.x(mark.x);
      pen.line(
        [
          [at, box.top],
          [at, box.bottom],
        ],
        { stroke: mark.color ?? look.accent, line: 2, dash: mark.dash ?? [] },
      );
    }
  }

  paintAxes(pen, box, look, ranges, [from, to]) {
    const style = { fill: look.ink, size: 12 };
    pen.line(
      [
        [box.left, box.top],
        [box.left, box.bottom],
        [box.right, box.bottom],
      ],
      { stroke: look.soft },
    );
    const room = Math.max(2, Math.floor((box.right - box.left) / 55));
    for (const value of ticks(from, to, room).filter((v) => !this.data.padded || Number.isInteger(v))) {
      pen.text(this.scales.x(value), box.bottom + 11, told(value), { ...style, align: "middle" });
    }
    pen.text((box.left + box.right) / 2, box.bottom + 29, this.data.xLabel, { ...style, align: "middle" });
    for (const value of ticks(...ranges[0])) {
      pen.line(
        [
          [box.left, this.scales.left(value)],
          [box.right, this.scales.left(value)],
        ],
        { stroke: look.line },
      );
      pen.text(box.left - 6, this.scales.left(value), told(value), { ...style, align: "right" });
    }
    pen.text(9, (box.top + box.bottom) / 2, this.data.left.label, { ...style, align: "middle", turned: true });
    if (!this.data.right) return;
    for (const value of ticks(...ranges[1])) {
      pen.text(box.right + 6, this.scales.right(value), told(value), style);
    }
    pen.text(box.right + 44, (box.top + box.bottom) / 2, this.data.right.label, {
      ...style,
      align: "middle",
      turned: true,
    });
  }

  paintSeries(pen, series) {
    const y = series.right ? this.scales.right : this.scales.left;
    const points = series.ys.map((v, i) => [this.scales.x(this.data.xs[i]), v === null ? NaN : y(v)]);
    const pieces = points.reduce(
      (all, point) => {
        if (Number.isFinite(point[1])) all[all.length - 1].push(point);
        else all.push([]);
        return all;
      },
      [[]],
    );
    const { panel, soft } = this.look();
    const faint = !series.dash && contrastOf(series.color, panel) < LEAST_CONTRAST;
    for (const piece of pieces.filter(({ length }) => length > 1)) {
      if (faint) pen.line(piece, { stroke: soft, line: 3.2 });
      pen.line(piece, { stroke: series.color, line: 2, dash: series.dash ?? [] });
    }
    if (!series.dots) return;
    points.forEach(([px, py], i) => {
      if (Number.isFinite(py)) pen.circle(px, py, series.dots[i] ? 6 : 3.5, { fill: series.color });
    });
  }
}

/** Horizontal bars: rows of {label, value, color, note}. */
export class Bars extends Panel {
  constructor(options) {
    super({ ...options, focusable: false });
    this.rows = [];
  }

  show(rows) {
    const fresh = rows.length !== this.rows.length;
    this.rows = rows;
    if (fresh) this.fit();
    else this.redraw();
  }

  heightFor() {
    return Math.max(60, this.rows.length * 20 + 8);
  }

  paint(pen, width) {
    const look = this.look();
    const most = Math.max(...this.rows.map((row) => row.value), 0) || 1;
    const left = Math.min(112, width * 0.4);
    const room = width - left - 66;
    this.rows.forEach((row, i) => {
      const y = 4 + i * 20;
      pen.text(left - 6, y + 9, row.label, { fill: look.ink, size: 12, align: "right" });
      const length = Math.max((row.value / most) * room, 0);
      pen.rect(left, y + 2, length, 14, { fill: row.color });
      pen.rect(left + 0.5, y + 2.5, Math.max(length - 1, 0), 13, { stroke: look.soft });
      pen.text(left + length + 6, y + 9, told(row.value), { fill: look.ink, size: 12 });
    });
  }
}
