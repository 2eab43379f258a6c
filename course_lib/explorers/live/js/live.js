// The widget: it moves numbers between the machine, the controls and the canvases. What is learned, and how, is Python's.

import { drawPanel, format, legendEntries, palette } from "../../js/draw.js";
import { inflate, isDark, make } from "../../js/page.js";
import { makeMachine } from "./machine.js";

const FRAME = 12, VIEWS = 4;  // milliseconds of work in a frame, drawing included, and how many the views may compute
const MOST = 1000;  // points of the loss curve: a longer run has a coarser one

// The loss of every step, averaged over as many steps as keep the curve short.
function lossCurve() {
  let every = 1, sum = 0, count = 0, mean = NaN;
  const steps = [], values = [], means = [];
  return {
    steps, values, means,
    add(step, loss) {
      mean = Number.isFinite(mean) ? mean + Math.max(0.03, 3 / (step + 2)) * (loss - mean) : loss;
      sum += loss; count += 1;
      if (count < every) return;
      steps.push(step); values.push(sum / count); means.push(mean);
      sum = count = 0;
      if (steps.length < MOST) return;
      for (const list of [steps, values, means]) { for (let i = 1; i < MOST; i += 2) list[i >> 1] = list[i]; list.length = MOST >> 1; }
      every *= 2;
    },
    mean: () => mean,
    clear() { steps.length = values.length = means.length = 0; every = 1; sum = count = 0; mean = NaN; },
  };
}

// What the curve, but for its first tenth, and the line of reference fit between.
function lossRange(curve, reference) {
  const shown = curve.means.slice(Math.floor(0.1 * curve.means.length)).filter(Number.isFinite);
  let low = Math.min(...shown, ...(Number.isFinite(reference) ? [reference] : [])), high = Math.max(...shown, ...(Number.isFinite(reference) ? [reference] : []));
  if (!Number.isFinite(low)) [low, high] = [0, 1];
  const room = Math.max(high - low, 0.02 * Math.abs(high), 1e-3);
  return [low - 0.08 * room, high + 0.08 * room];
}

async function render({ model, el }) {
  const spec = model.get("training"), bytes = new Uint8Array((await inflate(model.get("data"))).buffer);
  const listing = JSON.parse(new TextDecoder().decode(bytes.subarray(0, spec.machine)));
  let machine;
  try {
    machine = await makeMachine(listing, bytes.subarray(spec.machine));
  } catch (error) {
    el.append(make("p", { class: "course-live-off", text: `This figure trains in the page, and this page does not let it (${error.message}). The picture above shows where it ends.` }));
    return () => {};
  }
  const { places, programs } = machine, values = Object.fromEntries(spec.controls.map((c) => [c.name, c.start]));
  const curve = lossCurve(), local = { loss_step: curve.steps, loss_value: curve.values, loss_mean: curve.means, reference: [NaN] };
  let seed = spec.seed, source = 0, steps = 0, running = false, frame = 0, next = 0, trouble = "", drawn = 0, spoken = 0, painted = 0, drawing = 3;
  let cursor = null;

  const root = make("section", { class: "course-live", role: "group", "aria-label": spec.title });
  const panels = make("div", { class: "ce-panels" }), controls = make("div", { class: "ce-controls" });
  const status = make("p", { class: "ce-readout" }), live = make("p", { class: "ce-live", "aria-live": "polite" });
  root.append(make("p", { class: "ce-title", text: spec.title }), panels, status, controls, live);

  const views = [...spec.panels, spec.loss].map((panel, index) => {
    const basis = panel.marks.every((mark) => mark.kind === "image") ? 160 : Math.round(190 * panel.weight);
    const canvas = make("canvas", { role: "img" }), legend = make("div", { class: "ce-legend", "aria-hidden": "true" });
    const box = make("div", { class: "ce-panel", style: `flex-grow:${panel.weight}; flex-basis:${basis}px; max-width:calc(var(--ce-tallest) * ${panel.aspect})` }, canvas, legend);
    panels.append(box);
    return { panel, canvas, legend, box, index };
  });
  const lossView = views[views.length - 1];
  const quantity = (name) => (name in local ? { values: local[name], shape: [local[name].length] } : places[name]);
  const said = () => trouble || `step ${steps}${steps ? `, loss ${format(places.loss.values[0], 2)} ${spec.unit}` : ""}`;

  function speak() { spoken = performance.now(); live.textContent = said(); }

  // While it plays, a panel is drawn anew where a view of it was computed, and the curve in every third frame.
  const named = (panel) => panel.marks.flatMap((mark) => Object.values(mark).filter((v) => typeof v === "string"));
  const drawnFrom = spec.panels.map((panel) => Object.keys(listing.shows).filter((view) => listing.shows[view].some((q) => named(panel).includes(q))));
  const stays = (view, computed) => (view === lossView ? root.live.frames % 3 : drawnFrom[view.index].length && !drawnFrom[view.index].some((name) => computed.includes(name)));

  function paint(computed) {
    const dark = isDark(), theme = palette(dark), ratio = window.devicePixelRatio || 1;
    root.classList.toggle("ce-dark", dark);
    local.reference[0] = spec.reference[source];
    const [low, high] = lossRange(curve, local.reference[0]), line = Number.isFinite(local.reference[0]);
    const panel = { ...spec.loss, x: { ...spec.loss.x, high: Math.max(100, steps) }, y: { ...spec.loss.y, low, high },
      marks: spec.loss.marks.filter((m) => m.kind !== "rule" || line) };
    lossView.panel = panel;
    for (const view of views) {
      if (computed && stays(view, computed)) continue;
      const width = Math.max(120, Math.floor(view.box.clientWidth)), height = Math.round(Math.min(width / view.panel.aspect, 300)), { canvas } = view;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
        canvas.style.height = `${height}px`;
      }
      const ctx = canvas.getContext("2d");
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      view.scale = drawPanel(ctx, view.panel, quantity, width, height, dark);
      if (cursor && spec.draw && view.index === spec.draw.panel && document.activeElement === canvas) {
        const x = view.scale.px(cursor[0]), y = view.scale.py(cursor[1]);
        ctx.strokeStyle = theme.ink; ctx.lineWidth = 1.5;
        ctx.beginPath(); ctx.moveTo(x - 8, y); ctx.lineTo(x + 8, y); ctx.moveTo(x, y - 8); ctx.lineTo(x, y + 8); ctx.stroke();
      }
      const mark = `${dark} ${line}`;
      if (view.legend.dataset.mark !== mark) {
        view.legend.dataset.mark = mark;
        view.legend.replaceChildren(...legendEntries(view.panel).map((e) => make("span", {},
          make("i", { class: e.line ? "ce-line" : "ce-block", style: `border-color:${theme[e.colour]};${e.line ? `border-top-style:${e.dashed ? "dashed" : "solid"}` : `background:${theme[e.colour]}`}` }), e.label)));
      }
      if (!running) canvas.setAttribute("aria-label", `${view.panel.title || spec.title}. ${spec.description} Now: ${said()}.${spec.draw && view.index === spec.draw.panel ? " Draw data with the pointer, or with the arrow keys and the space bar." : ""}`);
    }
    const mean = Number.isFinite(curve.mean()) && steps > 1 ? `, on average ${format(curve.mean(), 3)}` : "";
    status.replaceChildren(make("span", { class: trouble ? "ce-trouble" : "", text: trouble || said() + mean }),
      ...(line ? [make("span", { text: `${spec.referenceLabel} ${format(local.reference[0], 3)} ${spec.unit}` })] : []), make("span", { text: `key ${seed}` }));
    painted = performance.now();
    root.live.frames += 1;
  }

  const names = Object.keys(programs), batches = names.filter((n) => n.startsWith("batch: ")), shows = names.filter((n) => n.startsWith("view: "));
  const isOwn = () => spec.draw && source === spec.draw.source;
  const drawBatch = () => programs[batches[source]]();
  const look = () => { for (const name of shows) programs[name](); };

  function train() {
    if (isOwn() && drawn < 2) { trouble = "Draw some points in the picture first."; return pause(); }
    drawBatch(); programs.step(); steps += 1;
    const loss = places.loss.values[0];
    if (Number.isFinite(loss)) return curve.add(steps, loss);
    trouble = `The loss is no longer a finite number, at step ${steps}. ${spec.advice}`;
    pause();
  }
  function restart() {
    places.key.values.set([0, seed]);
    programs.first();
    steps = 0; trouble = ""; curve.clear();
    drawBatch(); look(); paint(); speak();
  }
  function pause() {
    running = false; cancelAnimationFrame(frame); button.textContent = "Play";
    speak();
  }
  function play() {
    if (trouble) { trouble = ""; if (!Number.isFinite(places.loss.values[0])) return restart(); }
    running = true; button.textContent = "Pause";
    frame = requestAnimationFrame(tick);
  }
  function tick() {
    if (!running) return;
    if (!root.isConnected) return pause();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches, begin = performance.now();
    const due = !calm || begin - painted > 1000;
    const computed = [];
    if (due && calm) look();
    else if (due) do { programs[shows[next]](); computed.push(shows[next]); next = (next + 1) % shows.length; } while (next && performance.now() - begin < VIEWS);
    for (let i = 0; running && i < spec.pace && (!i || performance.now() - begin < FRAME - drawing); i++) train();
    if (due || !running) { if (!running) look(); const before = performance.now(); paint(running && !calm && computed); drawing += 0.2 * (performance.now() - before - drawing); }
    if (begin - spoken > 8000) speak();
    if (running) frame = requestAnimationFrame(tick);
  }

  function set(name, value) {
    const c = spec.controls.find((k) => k.name === name);
    values[name] = c.kind === "choice" ? Math.round(value) : Math.max(c.low, Math.min(c.high, value));
    places[name].values[0] = values[name];
    for (const row of rows) row.show();
    if (!running) { look(); paint(); }
  }
  const number = (c) => (c.log ? String(Number(values[c.name].toPrecision(2))) : format(values[c.name], c.digits));
  const rows = spec.controls.map((c) => {
    const inner = (v) => (c.log ? Math.log(v) : v), outer = (u) => (c.log ? Math.exp(u) : u);
    const id = `cl-${Math.random().toString(36).slice(2)}`, output = make("output", { for: id });
    const step = c.kind === "choice" ? 1 : c.log ? (inner(c.high) - inner(c.low)) / 100 : c.step;
    let input;
    if (c.kind === "choice") {
      input = make("select", { id });
      c.options.forEach((text, i) => input.append(make("option", { value: i, text })));
    } else input = make("input", { id, type: "range", min: inner(c.low), max: inner(c.high), step });
    input.dataset.control = c.name;
    input.addEventListener("input", () => set(c.name, c.kind === "choice" ? Number(input.value) : outer(Number(input.value))));
    controls.append(make("div", { class: "ce-control" }, make("label", { for: id, text: c.label }), input, ...(c.kind === "choice" ? [] : [output])));
    return { show() {
      if (document.activeElement !== input) input.value = c.kind === "choice" ? values[c.name] : inner(values[c.name]);
      output.textContent = `${number(c)}${c.unit ? ` ${c.unit}` : ""}`;
      if (c.kind === "slider") input.setAttribute("aria-valuetext", output.textContent);
    } };
  });
  const choice = make("select", { "aria-label": "data" });
  batches.forEach((name, i) => choice.append(make("option", { value: i, text: name.slice(7) })));
  const choose = (i) => { source = i; choice.value = i; restart(); };
  choice.addEventListener("change", () => choose(Number(choice.value)));
  if (batches.length > 1) controls.append(make("div", { class: "ce-control" }, make("label", { text: "data" }), choice));

  const button = make("button", { type: "button", text: "Play" });
  const once = make("button", { type: "button", text: "Step" }), again = make("button", { type: "button", text: "Reset (new key)", class: "ce-reset" });
  button.addEventListener("click", () => { if (!running) return play(); pause(); look(); paint(); });
  once.addEventListener("click", () => { pause(); train(); look(); paint(); speak(); });
  again.addEventListener("click", () => { seed += 1; restart(); });
  const buttons = make("div", { class: "ce-buttons" }, button, once, again);
  controls.append(buttons);

  // Points drawn by hand: a few for each event, in a ring of places, so that the memory does not grow.
  function spray([x, y]) {
    if (!isOwn()) { drawn = 0; choose(spec.draw.source); }
    const { values: points } = places.drawn, room = points.length / 2;
    for (let i = 0; i < 5; i++, drawn++) {
      const r = 0.12 * Math.sqrt(-2 * Math.log(1 - Math.random())), a = 2 * Math.PI * Math.random();
      points.set([x + r * Math.cos(a), y + r * Math.sin(a)], 2 * (drawn % room));
    }
    places.drawn_count.values[0] = Math.min(drawn, room);
    trouble = "";
    if (!running) { drawBatch(); look(); paint(); }
  }
  function pointer(view, act) {
    const at = (e) => { const r = view.canvas.getBoundingClientRect(); return [view.scale.vx(e.clientX - r.left), view.scale.vy(e.clientY - r.top)]; };
    view.canvas.classList.add("ce-drag");
    view.canvas.addEventListener("pointerdown", (e) => { view.canvas.setPointerCapture(e.pointerId); act(at(e)); });
    view.canvas.addEventListener("pointermove", (e) => { if (e.buttons) act(at(e)); });
  }
  for (const view of views) if (view.panel.drag) pointer(view, ([x, y]) => { set(view.panel.drag[0], x); set(view.panel.drag[1], y); });
  if (spec.draw) {
    const view = views[spec.draw.panel], { x, y } = view.panel, moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    pointer(view, spray);
    const clear = make("button", { type: "button", text: "Clear drawing" });
    clear.addEventListener("click", () => { drawn = 0; choose(spec.draw.source); trouble = "Draw some points in the picture."; paint(); });
    buttons.append(clear);
    view.canvas.tabIndex = 0;
    view.canvas.addEventListener("keydown", (e) => {
      cursor ??= [(x.low + x.high) / 2, (y.low + y.high) / 2];
      if (e.key in moves) cursor = cursor.map((v, i) => Math.max([x, y][i].low, Math.min([x, y][i].high, v + 0.03 * moves[e.key][i] * ([x, y][i].high - [x, y][i].low))));
      else if (e.key === " " || e.key === "Enter") spray(cursor);
      else return;
      e.preventDefault();
      paint();
    });
  }
  for (const node of root.querySelectorAll("input, select, button, canvas[tabindex]")) node.dataset.lmSuppressShortcuts = "true";

  root.live = { frames: 0, spec, machine, steps: () => steps, curve, pause, play, set, choose, running: () => running, trouble: () => trouble,
    spray, restart(key) { seed = key; restart(); }, train(n) { for (let i = 0; i < n; i++) train(); look(); paint(); } };
  el.append(root);
  for (const c of spec.controls) places[c.name].values[0] = c.start;
  for (const row of rows) row.show();
  const hidden = () => { if (document.hidden && running) { pause(); paint(); } };
  document.addEventListener("visibilitychange", hidden);
  const repaint = () => requestAnimationFrame(() => paint()), resize = new ResizeObserver(repaint), theme = new MutationObserver(repaint);
  views.forEach((v) => resize.observe(v.box));
  for (const node of [document.documentElement, document.body]) theme.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  restart();
  return () => { pause(); document.removeEventListener("visibilitychange", hidden); resize.disconnect(); theme.disconnect(); };
}

export default { render };
