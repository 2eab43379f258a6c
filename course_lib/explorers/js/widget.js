// The widget: controls and panels from a specification, quantities from the table or from small networks.

import { decodeTable, lookup, positions, slice } from "./table.js";
import { decodeNetwork, forward } from "./network.js";
import { drawPanel, format, legendEntries, palette } from "./draw.js";
import { inflate, isDark, make } from "./page.js";

// "KL = {kl:.2f} nats" with numbers filled in.
export const fill = (template, scalar) =>
  template.replace(/\{(\w+)(?::\.(\d)f)?\}/g, (_, name, digits) => format(scalar(name), Number(digits ?? 2)));

// All quantities at the given control values.
export function makeSource(spec, bytes) {
  const tables = spec.tables.map((t) => decodeTable(bytes, t));
  const networks = spec.networks.map((n) => decodeNetwork(bytes, n));
  const constants = spec.constants.map((c) => ({ name: c.name, shape: c.shape, values: slice(bytes, c.offset, c.length, Float32Array) }));
  return (values) => {
    const at = positions(spec.controls, values), out = new Map();
    for (const c of constants) out.set(c.name, c);
    for (const t of tables) out.set(t.name, { values: lookup(t, at, spec.controls), shape: t.shape });
    for (const n of networks) if (n.inputs) out.set(n.name, { values: forward(n.layers, n.inputs.map((i) => values[i])), shape: n.shape });
    return out;
  };
}

// A picture drawn by hand goes through the encoder: (mean, ln σ) of q(z|x). The sliders move to the mean.
function drawingPad(spec, bytes, onDrawn) {
  const network = decodeNetwork(bytes, spec.networks.find((n) => n.name === spec.pad.network));
  const side = spec.pad.size, ink = new Float32Array(side * side);
  const canvas = make("canvas", { class: "ce-pad", width: side, height: side, role: "img",
    "aria-label": "Drawing pad: draw with the pointer; the sliders move to the code of the drawing. Without a pointer, choose a digit from the list." });
  const paint = () => {
    const ctx = canvas.getContext("2d"), picture = ctx.createImageData(side, side);
    ink.forEach((v, i) => picture.data.set([...(v ? [34, 34, 34] : [255, 255, 255]), 255], 4 * i));
    ctx.putImageData(picture, 0, 0);
  };
  const dot = (event) => {
    const r = canvas.getBoundingClientRect();
    const x = ((event.clientX - r.left) / r.width) * side, y = ((event.clientY - r.top) / r.height) * side;
    for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) if (Math.hypot(j + 0.5 - x, i + 0.5 - y) < spec.pad.brush) ink[i * side + j] = 1;
    paint();
    const output = forward(network.layers, ink), k = spec.pad.sets.length;
    onDrawn({ mean: output.slice(0, k), sigma: output.slice(k).map(Math.exp) });
  };
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); dot(e); });
  canvas.addEventListener("pointermove", (e) => { if (e.buttons) dot(e); });
  const clear = make("button", { type: "button", text: "clear" });
  clear.addEventListener("click", () => { ink.fill(0); paint(); });
  paint();
  return make("div", { class: "ce-padbox" }, make("span", { text: spec.pad.label }), canvas, clear);
}

async function render({ model, el }) {
  const spec = model.get("spec"), bytes = await inflate(model.get("data")), source = makeSource(spec, bytes);
  const starts = Object.fromEntries(spec.controls.map((c) => [c.name, c.start]));
  let values = { ...starts, ...model.get("values") }, quantities, pending = 0, announce = 0, drawn = null;

  const root = make("section", { class: "course-explorer", role: "group", "aria-label": spec.title });
  const panels = make("div", { class: "ce-panels" }), controls = make("div", { class: "ce-controls" });
  const readout = make("p", { class: "ce-readout" }), live = make("p", { class: "ce-live", "aria-live": "polite" });
  root.append(make("p", { class: "ce-title", text: spec.title }), panels, readout, controls, live);

  const views = spec.panels.map((panel) => {
    // Pictures stay legible when small, so that several fit beside each other on a phone; axes need room.
    const basis = panel.marks.every((mark) => mark.kind === "image") ? 100 : Math.round(190 * panel.weight);
    const canvas = make("canvas", { role: "img" }), legend = make("div", { class: "ce-legend", "aria-hidden": "true" });
    const box = make("div", { class: "ce-panel", style: `flex-grow:${panel.weight}; flex-basis:${basis}px; max-width:calc(var(--ce-tallest) * ${panel.aspect})` }, canvas, legend);
    panels.append(box);
    return { panel, canvas, legend, box };
  });

  const readoutText = () => spec.readouts.map((t) => fill(t, (name) => quantities.get(name).values[0]));
  const spoken = () => spec.controls.map((c) => `${c.label} ${shown(c)}`).concat(readoutText()).join("; ");
  const shown = (c) => (c.kind === "choice" ? c.options[values[c.name]] : `${format(values[c.name], c.digits)}${c.unit ? " " + c.unit : ""}`);

  function paint() {
    pending = 0;
    quantities = current();
    const dark = isDark(), theme = palette(dark), ratio = window.devicePixelRatio || 1;
    root.classList.toggle("ce-dark", dark);
    for (const view of views) {
      const width = Math.max(120, Math.floor(view.box.clientWidth)), height = Math.round(Math.min(width / view.panel.aspect, 300));
      const { canvas } = view;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
        canvas.style.height = `${height}px`;
      }
      const ctx = canvas.getContext("2d");
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      view.scale = drawPanel(ctx, view.panel, (name) => quantities.get(name), width, height, dark);
      canvas.setAttribute("aria-label", `${view.panel.title || spec.title}. ${spec.description} Now: ${spoken()}.`);
      if (view.legend.dataset.dark !== String(dark)) {
        view.legend.dataset.dark = String(dark);
        view.legend.replaceChildren(...legendEntries(view.panel).map((e) => make("span", {},
          make("i", { class: e.line ? "ce-line" : "ce-block", style: `border-color:${theme[e.colour]};${e.line ? `border-top-style:${e.dashed ? "dashed" : "solid"}` : `background:${theme[e.colour]}`}` }), e.label)));
      }
    }
    const text = readoutText();
    readout.replaceChildren(...text.map((t) => make("span", { text: t })));
    readout.hidden = text.length === 0;
    for (const row of rows) row.show();
    clearTimeout(announce);
    announce = setTimeout(() => { live.textContent = spoken(); }, 400);
    root.explorer.frames += 1;
  }
  // The posterior of a drawing is known here alone; it stands in for the table's entry.
  function current() {
    const all = source(values), pad = spec.pad;
    if (pad && drawn && values[pad.choice] === pad.option)
      for (const key of ["mean", "sigma"]) all.set(pad[key], { values: drawn[key], shape: [pad.sets.length] });
    return all;
  }
  const schedule = () => { pending ||= requestAnimationFrame(paint); };

  // Where the steps are the grid, a hand on a panel too stops at the steps alone.
  const snapped = (c, v) => (c.stepped ? Number((c.low + Math.round((v - c.low) / c.step) * c.step).toPrecision(12)) : v);

  function setValues(changes, { save = true } = {}) {
    for (const c of spec.controls) if (c.name in changes) {
      const v = Number(changes[c.name]);
      if (Number.isFinite(v)) values[c.name] = c.kind === "choice" ? Math.round(Math.max(0, Math.min(c.count - 1, v))) : Math.max(c.low, Math.min(c.high, snapped(c, v)));
    }
    if (save) { model.set("values", { ...values }); model.save_changes(); }
    schedule();
  }

  // An option may bring slider settings along (a digit to start from).
  function chosen(c, option) {
    const settings = spec.links[c.name] ?? {};
    return { [c.name]: option, ...Object.fromEntries(Object.entries(settings).map(([name, list]) => [name, list[option]])) };
  }

  const rows = spec.controls.map((c) => {
    // A log slider runs evenly in log(value): `inner` is what the browser's range input holds.
    const inner = (v) => (c.log ? Math.log(v) : v), outer = (u) => (c.log ? Math.exp(u) : u), bottom = inner(c.low);
    const step = c.log ? (inner(c.high) - bottom) / 100 : c.step;
    const id = `ce-${Math.random().toString(36).slice(2)}`, output = make("output", { for: id });
    let input;
    if (c.kind === "choice") {
      input = make("select", { id });
      c.options.forEach((text, i) => input.append(make("option", { value: i, text })));
    } else input = make("input", { id, type: "range", min: inner(c.low), max: inner(c.high), step: "any" });
    input.dataset.control = c.name;
    input.addEventListener("input", () => setValues(c.kind === "choice" ? chosen(c, Number(input.value)) : { [c.name]: outer(bottom + Math.round((input.value - bottom) / step) * step) }));
    if (c.kind === "slider") input.addEventListener("keydown", (event) => {
      const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
      const target = event.key === "Home" ? c.low : event.key === "End" ? c.high : event.key in moves ? outer(inner(values[c.name]) + moves[event.key] * step) : null;
      if (target === null) return;
      event.preventDefault();
      setValues({ [c.name]: Number(target.toPrecision(12)) });
    });
    controls.append(make("div", { class: "ce-control" }, make("label", { for: id, text: c.label }), input, ...(c.kind === "choice" ? [] : [output])));
    return { show() {
      if (document.activeElement !== input || Math.abs(input.value - inner(values[c.name])) > 1e-9) input.value = inner(values[c.name]);
      output.textContent = shown(c);
      if (c.kind === "slider") input.setAttribute("aria-valuetext", shown(c));
    } };
  });

  const buttons = make("div", { class: "ce-buttons" });
  if (spec.play) {
    const c = spec.controls.find((k) => k.name === spec.play), button = make("button", { type: "button", text: "play" });
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; button.textContent = "play"; };
    button.addEventListener("click", () => {
      if (timer) return stop();
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      const step = calm ? (c.high - c.low) / 8 : Math.max(c.step, (c.high - c.low) / 120);
      if (values[c.name] >= c.high - 1e-9) setValues({ [c.name]: c.low });
      button.textContent = "pause";
      const tick = () => {
        setValues({ [c.name]: values[c.name] + step });
        if (!root.isConnected || values[c.name] >= c.high - 1e-9) stop();
      };
      // Four seconds from end to end, but never more than 30 steps a second nor less than one in 0.7 s.
      timer = setInterval(tick, calm ? 700 : Math.max(33, Math.min(700, 4000 * step / (c.high - c.low))));
      tick();
    });
    buttons.append(button);
  }
  const reset = make("button", { type: "button", text: "reset", class: "ce-reset" });
  reset.addEventListener("click", () => setValues(starts));
  buttons.append(reset);
  if (spec.pad) controls.append(drawingPad(spec, bytes, (code) => {
    drawn = code;
    setValues({ [spec.pad.choice]: spec.pad.option, ...Object.fromEntries(spec.pad.sets.map((name, i) => [name, code.mean[i]])) });
  }));
  controls.append(buttons);
  // A key pressed on a control is for that control: JupyterLab must not move to the next cell with it.
  for (const node of root.querySelectorAll("input, select, button")) node.dataset.lmSuppressShortcuts = "true";

  for (const view of views) if (view.panel.drag) {
    const [nx, ny] = view.panel.drag, move = (event) => {
      const r = view.canvas.getBoundingClientRect();
      setValues({ [nx]: view.scale.vx(event.clientX - r.left), [ny]: view.scale.vy(event.clientY - r.top) });
    };
    view.canvas.classList.add("ce-drag");
    view.canvas.addEventListener("pointerdown", (e) => { view.canvas.setPointerCapture(e.pointerId); move(e); });
    view.canvas.addEventListener("pointermove", (e) => { if (e.buttons) move(e); });
  }

  root.explorer = { frames: 0, spec, values: () => ({ ...values }), set: setValues, repaint: paint,
    get: (name) => Array.from(current().get(name).values) };
  el.append(root);
  const onModel = () => { values = { ...values, ...model.get("values") }; schedule(); };
  model.on("change:values", onModel);
  const resize = new ResizeObserver(schedule), theme = new MutationObserver(schedule);
  views.forEach((v) => resize.observe(v.box));
  for (const node of [document.documentElement, document.body]) theme.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  paint();
  return () => { model.off("change:values", onModel); resize.disconnect(); theme.disconnect(); };
}

export default { render };
