// The drawing core: marks on a canvas with axes. Nothing here knows a widget; `ctx` is any 2-D context.

const PALETTE = {
  light: { encoder: "#0072B2", latent: "#00805F", decoder: "#C24E00", target: "#C24E00", predecessor: "#00805F",
    data: "#222222", model: "#0072B2", accent: "#C24E00", second: "#9B4F96", muted: "#767676",
    ink: "#222222", paper: "#ffffff", frame: "#767676" },
  dark: { encoder: "#56B4E9", latent: "#3DCB9E", decoder: "#FF9552", target: "#FF9552", predecessor: "#3DCB9E",
    data: "#EDEDED", model: "#56B4E9", accent: "#FF9552", second: "#DDA0DD", muted: "#A8A8A8",
    ink: "#EDEDED", paper: "#16191d", frame: "#A8A8A8" },
};
const CLASSES = ["#1f77b4", "#d9730d", "#2a8f2a", "#d62728", "#8a5cb8", "#8c564b", "#d45fb0", "#7f7f7f", "#9a9a00", "#129aab"];
const FONT = "12px system-ui, sans-serif";

export const palette = (dark) => (dark ? PALETTE.dark : PALETTE.light);

// Round numbers for about `most` ticks on [low, high].
export function ticks(low, high, most = 5) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(Number((k * step).toPrecision(10)));
  return out;
}

export const format = (value, digits = 2) =>
  Number.isFinite(value) ? value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "−") : "undefined";

// From a panel's units to pixels. Panels without axes show the unit square.
export function makeScale(panel, width, height) {
  const framed = panel.x && panel.y, top = panel.title ? 24 : 8;
  const box = framed ? { left: 50, right: width - 10, top, bottom: height - 40 }
    : { left: 4, right: width - 4, top, bottom: height - 4 };
  const x = panel.x ?? { low: 0, high: 1 }, y = panel.y ?? { low: 0, high: 1 };
  return {
    box,
    px: (v) => box.left + ((v - x.low) / (x.high - x.low)) * (box.right - box.left),
    py: (v) => box.bottom - ((v - y.low) / (y.high - y.low)) * (box.bottom - box.top),
    vx: (p) => x.low + ((p - box.left) / (box.right - box.left)) * (x.high - x.low),
    vy: (p) => y.low + ((box.bottom - p) / (box.bottom - box.top)) * (y.high - y.low),
  };
}

const MAPS = {
  ink: (t, dark) => (dark ? [22 + t * 223, 25 + t * 220, 29 + t * 216] : [255 - t * 233, 255 - t * 233, 255 - t * 233]),
  heat: (t, dark) => {
    const stops = dark ? [[22, 25, 29], [0, 88, 140], [86, 180, 233], [255, 255, 230]] : [[255, 255, 255], [166, 210, 236], [0, 114, 178], [0, 40, 80]];
    const s = t * 3, i = Math.min(2, Math.floor(s)), f = s - i;
    return stops[i].map((a, k) => a + f * (stops[i + 1][k] - a));
  },
  diverging: (t, dark) => {
    const zero = dark ? [22, 25, 29] : [255, 255, 255], end = t < 0.5 ? [0, 114, 178] : [213, 94, 0], f = Math.abs(2 * t - 1);
    return zero.map((a, k) => a + f * (end[k] - a));
  },
  mask: (t, dark) => (t > 0.75 ? [213, 94, 0] : t > 0.25 ? [0, 158, 115] : dark ? [52, 57, 63] : [232, 232, 232]),
};

export const colourAt = (map, value, scale, dark) =>
  MAPS[map](Math.max(0, Math.min(1, (value - scale[0]) / (scale[1] - scale[0]))), dark).map(Math.round);

// The colours of a map at 1,024 places, made once: a picture that changes in every frame looks its pixels up.
const RAMPS = new Map();
function ramp(map, dark) {
  const name = `${map} ${dark}`;
  if (!RAMPS.has(name)) RAMPS.set(name, Array.from({ length: 1024 }, (_, i) => colourAt(map, i / 1023, [0, 1], dark)));
  return RAMPS.get(name);
}

function polyline(ctx, s, xs, ys) {
  ctx.beginPath();
  let down = false;
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(xs[i]) || !Number.isFinite(ys[i])) { down = false; continue; }
    const p = [s.px(xs[i]), Math.max(-1e4, Math.min(1e4, s.py(ys[i])))];
    down ? ctx.lineTo(...p) : ctx.moveTo(...p);
    down = true;
  }
}

function arrowHead(ctx, from, to) {
  const a = Math.atan2(to[1] - from[1], to[0] - from[0]);
  ctx.beginPath();
  ctx.moveTo(...to);
  for (const d of [2.7, -2.7]) ctx.lineTo(to[0] + 7 * Math.cos(a + d), to[1] + 7 * Math.sin(a + d));
  ctx.fill();
}

const DRAW = {
  curve(ctx, s, mark, q, colour) {
    const x = q(mark.x), y = q(mark.y);
    if (mark.fill) {
      polyline(ctx, s, x, y);
      ctx.lineTo(s.px(x[x.length - 1]), s.py(0));
      ctx.lineTo(s.px(x[0]), s.py(0));
      ctx.globalAlpha = 0.22; ctx.fill(); ctx.globalAlpha = 1;
    }
    polyline(ctx, s, x, y);
    ctx.setLineDash(mark.dashed ? [6, 4] : []);
    ctx.stroke();
    ctx.setLineDash([]);
  },
  points(ctx, s, mark, q) {
    const xy = q(mark.xy), classes = mark.classes ? q(mark.classes) : null;
    ctx.globalAlpha = mark.opacity;
    for (let i = 0; i < xy.length / 2; i++) {
      if (classes) ctx.fillStyle = CLASSES[Math.round(classes[i]) % 10];
      ctx.beginPath();
      ctx.arc(s.px(xy[2 * i]), s.py(xy[2 * i + 1]), mark.size, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.globalAlpha = 1;
  },
  polygons(ctx, s, mark, q, colour, shape) {
    const c = q(mark.corners), [n, k] = shape(mark.corners);
    for (let i = 0; i < n; i++) {
      ctx.beginPath();
      for (let j = 0; j < k; j++) ctx.lineTo(s.px(c[2 * (i * k + j)]), s.py(c[2 * (i * k + j) + 1]));
      ctx.closePath();
      ctx.globalAlpha = i % 2 ? 0.55 : 0.3;
      ctx.fill();
      ctx.globalAlpha = 1;
    }
  },
  mesh(ctx, s, mark, q, colour, shape) {
    const c = q(mark.nodes), [rows, columns] = shape(mark.nodes);
    ctx.lineWidth = 1;
    const line = (start, step, count) => {
      const index = Array.from({ length: count }, (_, i) => start + i * step);
      polyline(ctx, s, index.map((i) => c[2 * i]), index.map((i) => c[2 * i + 1]));
      ctx.stroke();
    };
    for (let r = 0; r < rows; r++) line(r * columns, 1, columns);
    for (let k = 0; k < columns; k++) line(k, columns, rows);
  },
  arrows(ctx, s, mark, q) {
    const a = q(mark.start), b = q(mark.end);
    for (let i = 0; i < a.length / 2; i++) {
      const from = [s.px(a[2 * i]), s.py(a[2 * i + 1])], to = [s.px(b[2 * i]), s.py(b[2 * i + 1])];
      ctx.beginPath(); ctx.moveTo(...from); ctx.lineTo(...to); ctx.stroke();
      arrowHead(ctx, from, to);
    }
  },
  rule(ctx, s, mark, q) {
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    if (mark.x) { const p = s.px(q(mark.x)[0]); ctx.moveTo(p, s.box.top); ctx.lineTo(p, s.box.bottom); }
    else { const p = s.py(q(mark.y)[0]); ctx.moveTo(s.box.left, p); ctx.lineTo(s.box.right, p); }
    ctx.stroke();
    ctx.setLineDash([]);
  },
  bars(ctx, s, mark, q, colour, shape, theme) {
    const h = q(mark.heights), slot = (s.box.right - s.box.left) / h.length;
    const zero = s.py(0);
    h.forEach((v, i) => {
      const left = s.box.left + (i + 0.18) * slot, y = Math.max(s.box.top, Math.min(s.box.bottom, s.py(v)));
      ctx.fillStyle = theme[mark.colours[i % mark.colours.length]];
      ctx.fillRect(left, Math.min(y, zero), 0.64 * slot, Math.max(1, Math.abs(zero - y)));
      ctx.fillStyle = theme.ink;
      ctx.textAlign = "center";
      if (mark.digits >= 0) ctx.fillText(format(v, mark.digits), left + 0.32 * slot, v >= 0 ? Math.max(s.box.top + 11, y - 5) : y + 14);
      if (mark.names.length) ctx.fillText(mark.names[i], left + 0.32 * slot, s.box.bottom + 15);
    });
  },
  intervals(ctx, s, mark, q) {
    const centre = q(mark.centre), half = q(mark.half), tick = 0.22 * (s.px(1) - s.px(0));
    ctx.globalAlpha = 0.5; ctx.lineWidth = mark.width;
    for (let i = 0; i < centre.length; i++) {
      if (!Number.isFinite(centre[i])) continue;
      const x = s.px(i), y = s.py(centre[i]);
      ctx.beginPath(); ctx.moveTo(x, s.py(centre[i] - half[i])); ctx.lineTo(x, s.py(centre[i] + half[i])); ctx.stroke();
      ctx.fillRect(x - tick, y - 1, 2 * tick, 2);
    }
    ctx.globalAlpha = 1;
  },
  image(ctx, s, mark, q, colour, shape, theme, dark) {
    const v = q(mark.values), dims = shape(mark.values), [h, w] = dims.slice(-2), n = dims.length === 3 ? dims[0] : 1;
    const columns = mark.columns || n, rows = Math.ceil(n / columns), pad = n > 1 ? 1 : 0;
    const W = columns * (w + pad) - pad, H = rows * (h + pad) - pad, sheet = new OffscreenCanvas(W, H), c = sheet.getContext("2d");
    const picture = c.createImageData(W, H), pixels = picture.data, colours = ramp(mark.map, dark), [low, high] = mark.scale;
    for (let i = 0; i < n; i++) {
      const left = (i % columns) * (w + pad), top = Math.floor(i / columns) * (h + pad);
      for (let r = 0; r < h; r++) for (let k = 0; k < w; k++) {
        const value = v[(i * h + r) * w + k], at = 4 * ((top + r) * W + left + k);
        if (!Number.isFinite(value)) continue;
        const colour = colours[Math.max(0, Math.min(1023, Math.round((1023 * (value - low)) / (high - low))))];
        pixels[at] = colour[0]; pixels[at + 1] = colour[1]; pixels[at + 2] = colour[2]; pixels[at + 3] = 255;
      }
    }
    c.putImageData(picture, 0, 0);
    let { left, right, top, bottom } = s.box;
    if (mark.extent) [left, right, bottom, top] = [s.px(mark.extent[0]), s.px(mark.extent[1]), s.py(mark.extent[2]), s.py(mark.extent[3])];
    else {
      const side = Math.min((right - left) / W, (bottom - top) / H), cx = (left + right) / 2;
      [left, right, bottom] = [cx - (side * W) / 2, cx + (side * W) / 2, top + side * H];
    }
    ctx.imageSmoothingEnabled = mark.extent != null;
    ctx.drawImage(sheet, left, top, right - left, bottom - top);
    if (!mark.extent && n === 1) { ctx.strokeStyle = theme.frame; ctx.lineWidth = 0.5; ctx.strokeRect(left, top, right - left, bottom - top); }
  },
};

function frame(ctx, panel, s, theme) {
  const { left, right, top, bottom } = s.box;
  ctx.strokeStyle = theme.frame; ctx.fillStyle = theme.ink; ctx.lineWidth = 1;
  ctx.beginPath(); ctx.moveTo(left, top); ctx.lineTo(left, bottom); ctx.lineTo(right, bottom); ctx.stroke();
  const named = panel.marks.some((m) => m.kind === "bars" && m.names.length);
  ctx.textAlign = "center";
  if (!named && panel.x.ticks) for (const t of ticks(panel.x.low, panel.x.high, Math.max(2, Math.floor((right - left) / 60)))) {
    const p = s.px(t);
    ctx.beginPath(); ctx.moveTo(p, bottom); ctx.lineTo(p, bottom + 4); ctx.stroke();
    ctx.fillText(String(t).replace("-", "−"), p, bottom + 16);
  }
  ctx.fillText(panel.x.label, (left + right) / 2, bottom + 32);
  ctx.textAlign = "right";
  if (panel.y.ticks) for (const t of ticks(panel.y.low, panel.y.high, Math.max(2, Math.floor((bottom - top) / 40)))) {
    const p = s.py(t);
    ctx.beginPath(); ctx.moveTo(left - 4, p); ctx.lineTo(left, p); ctx.stroke();
    ctx.fillText(String(t).replace("-", "−"), left - 6, p + 4);
  }
  ctx.save();
  ctx.translate(11, (top + bottom) / 2); ctx.rotate(-Math.PI / 2); ctx.textAlign = "center";
  ctx.fillText(panel.y.label, 0, 0);
  ctx.restore();
}

// Names of labelled marks, once each, in the order drawn.
export function legendEntries(panel) {
  const seen = new Map();
  for (const m of panel.marks) if (m.label && !seen.has(m.label)) seen.set(m.label, m);
  return [...seen.values()].map((m) => ({ label: m.label, colour: m.colour, dashed: Boolean(m.dashed) || m.kind === "rule", line: ["curve", "rule", "mesh", "arrows"].includes(m.kind) }));
}

// Draw one panel. `get(name)` gives {values, shape}.
export function drawPanel(ctx, panel, get, width, height, dark) {
  const theme = palette(dark), s = makeScale(panel, width, height);
  const q = (name) => get(name).values, shape = (name) => get(name).shape;
  ctx.clearRect(0, 0, width, height);
  ctx.font = FONT;
  for (const mark of panel.marks) {
    const colour = theme[mark.colour] ?? theme.model;
    ctx.save();
    if (panel.x && panel.y && mark.kind !== "bars") {
      ctx.beginPath();
      ctx.rect(s.box.left, s.box.top - 2, s.box.right - s.box.left + 2, s.box.bottom - s.box.top + 4);
      ctx.clip();
    }
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.lineWidth = 2; ctx.lineJoin = "round";
    DRAW[mark.kind](ctx, s, mark, q, colour, shape, theme, dark);
    ctx.restore();
  }
  if (panel.x && panel.y) frame(ctx, panel, s, theme);
  if (panel.title) {
    ctx.fillStyle = theme.ink; ctx.textAlign = "center"; ctx.font = "600 13px system-ui, sans-serif";
    const half = Math.min(ctx.measureText(panel.title).width, width) / 2;  // a long title moves, and shrinks at last
    ctx.fillText(panel.title, Math.min(Math.max((s.box.left + s.box.right) / 2, half), width - half), 15, width);
  }
  return s;
}
