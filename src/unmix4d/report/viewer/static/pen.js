// Two pens with the same strokes: one draws on a canvas, the other writes SVG.

export const FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";

export class CanvasPen {
  constructor(context) {
    this.context = context;
  }

  rect(x, y, width, height, { fill = null, stroke = null, line = 1 }) {
    const c = this.context;
    if (fill) {
      c.fillStyle = fill;
      c.fillRect(x, y, width, height);
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = line;
      c.strokeRect(x, y, width, height);
    }
  }

  line(points, { stroke, line = 1, dash = [] }) {
    const c = this.context;
    c.beginPath();
    points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.strokeStyle = stroke;
    c.lineWidth = line;
    c.setLineDash(dash);
    c.stroke();
    c.setLineDash([]);
  }

  circle(x, y, radius, { stroke = null, fill = null, line = 1 }) {
    const c = this.context;
    c.beginPath();
    c.arc(x, y, Math.max(radius, 0), 0, 2 * Math.PI);
    if (fill) {
      c.fillStyle = fill;
      c.fill();
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = line;
      c.stroke();
    }
  }

  text(x, y, words, { fill, size = 12, align = "left", base = "middle", turned = false, halo = null }) {
    const c = this.context;
    c.save();
    c.translate(x, y);
    if (turned) c.rotate(-Math.PI / 2);
    c.font = `${size}px ${FONT}`;
    c.textAlign = align === "middle" ? "center" : align;
    c.textBaseline = base;
    if (halo) {
      c.strokeStyle = halo;
      c.lineWidth = 3;
      c.lineJoin = "round";
      c.strokeText(words, 0, 0);
    }
    c.fillStyle = fill;
    c.fillText(words, 0, 0);
    c.restore();
  }

  image(canvas, x, y, width, height) {
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(canvas, x, y, width, height);
  }

  /** Draw only inside a rectangle while `draw` runs. */
  within(x, y, width, height, draw) {
    const c = this.context;
    c.save();
    c.beginPath();
    c.rect(x, y, width, height);
    c.clip();
    draw();
    c.restore();
  }
}

const escape = (words) =>
  String(words).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

export class SvgPen {
  constructor(width, height) {
    this.size = [width, height];
    this.parts = [];
    this.clips = 0;
  }

  add(tag, attributes, inside = "") {
    const written = Object.entries(attributes)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => ` ${name}="${escape(typeof value === "number" ? Number(value.toFixed(2)) : value)}"`);
    this.parts.push(`<${tag}${written.join("")}${inside === null ? ">" : `>${inside}</${tag}>`}`);
  }

  rect(x, y, width, height, { fill = null, stroke = null, line = 1 }) {
    this.add("rect", { x, y, width, height, fill: fill ?? "none", stroke, "stroke-width": stroke ? line : null });
  }

  line(points, { stroke, line = 1, dash = [] }) {
    const places = points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");
    const dashes = dash.length ? dash.join(" ") : null;
    this.add("polyline", {
      points: places,
      fill: "none",
      stroke,
      "stroke-width": line,
      "stroke-dasharray": dashes,
    });
  }

  circle(x, y, radius, { stroke = null, fill = null, line = 1 }) {
    this.add("circle", {
      cx: x,
      cy: y,
      r: Math.max(radius, 0),
      fill: fill ?? "none",
      stroke,
      "stroke-width": line,
    });
  }

  text(x, y, words, { fill, size = 12, align = "left", base = "middle", turned = false, halo = null }) {
    const anchor = { left: "start", middle: "middle", right: "end" }[align];
    const baseline = { middle: "central", top: "hanging", bottom: "auto" }[base] ?? "central";
    const turn = turned ? `rotate(-90 ${x.toFixed(2)} ${y.toFixed(2)})` : null;
    const outline = halo
      ? { stroke: halo, "stroke-width": 3, "paint-order": "stroke", "stroke-linejoin": "round" }
      : {};
    const place = { x, y, fill, "font-size": size, "text-anchor": anchor, "dominant-baseline": baseline };
    this.add("text", { ...place, transform: turn, ...outline }, escape(words));
  }

  image(canvas, x, y, width, height) {
    const style = "image-rendering:pixelated";
    this.add("image", { x, y, width, height, href: canvas.toDataURL(), preserveAspectRatio: "none", style });
  }

  within(x, y, width, height, draw) {
    const id = `clip${this.clips++}`;
    this.parts.push(
      `<clipPath id="${id}"><rect x="${x}" y="${y}" width="${width}" height="${height}"/></clipPath>`,
    );
    this.parts.push(`<g clip-path="url(#${id})">`);
    draw();
    this.parts.push("</g>");
  }

  toString() {
    const [width, height] = this.size;
    const sizes = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    const head = `xmlns="http://www.w3.org/2000/svg" ${sizes}`;
    return `<svg ${head} font-family="${FONT.replaceAll('"', "'")}">${this.parts.join("\n")}</svg>\n`;
  }
}
