// Unit tests of the drawing core, run by node: `node --test tests/browser/`.

import assert from "node:assert/strict";
import test from "node:test";
import { deflateSync } from "node:zlib";

import { colourAt, format, legendEntries, makeScale, palette, ticks } from "../../course_lib/explorers/js/draw.js";
import { decodeNetwork, forward } from "../../course_lib/explorers/js/network.js";
import { inflate } from "../../course_lib/explorers/js/page.js";
import { decodeTable, lookup, positions, slice, unpack, weights } from "../../course_lib/explorers/js/table.js";

const close = (a, b, tolerance = 1e-4) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);
const view = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);

test("ticks are round numbers inside the interval", () => {
  assert.deepEqual(ticks(-5, 5), [-4, -2, 0, 2, 4]);
  assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  for (const [low, high] of [[0, 0.037], [-1e3, 2e4], [2.1, 2.2]])
    for (const t of ticks(low, high)) assert.ok(t >= low - 1e-9 && t <= high + 1e-9);
});

test("numbers are written with a minus sign, and zero has none", () => {
  assert.equal(format(-1.234, 1), "−1.2");
  assert.equal(format(-0.001, 2), "0.00");
  assert.equal(format(NaN), "undefined");
});

test("weights reproduce cubics, sum to one, and are exact on the grid", () => {
  for (const position of [0, 0.3, 1.5, 3.99, 5]) {
    const w = weights(position, 6, true);
    close(w.reduce((a, [, v]) => a + v, 0), 1, 1e-9);
    close(w.reduce((a, [i, v]) => a + v * i ** 3, 0), position ** 3, 1e-9);
  }
  assert.deepEqual(weights(2, 6, true), [[2, 1]]);
});

test("lines between grid points when not smooth: a jump is not overshot", () => {
  const step = [0, 0, 1, 1], at = (p, smooth) => weights(p, 4, smooth).reduce((a, [i, v]) => a + v * step[i], 0);
  close(at(2.5, false), 1);
  assert.ok(Math.abs(at(2.5, true) - 1) > 0.05); // the polynomial does overshoot: the option matters
});

// What table.py's `pack` writes for one axis or two.
function packed(levels, columns) {
  const d = levels.map((v, k) => v - (k % columns ? levels[k - 1] : 0));
  const steps = d.map((v, k) => v - (k >= columns ? d[k - columns] : 0)).map((v) => (v < 0 ? -2 * v - 1 : 2 * v));
  return view(Uint8Array.from([0, 8, 16, 24].flatMap((shift) => steps.map((v) => (v >> shift) & 255))));
}

test("packed levels come back, gaps and jumps included", () => {
  const levels = [0, 65535, 17, 4094, 0, 1, 2000, 1999, 65535, 4095, 3, 0];
  assert.deepEqual([...unpack(packed(levels, 4), 0, [3, 4])], levels);
});

test("deflated bytes are inflated", async () => {
  const bytes = await inflate(view(new Uint8Array(deflateSync(Uint8Array.from([1, 2, 3])))));
  assert.deepEqual([bytes.getUint8(0), bytes.byteLength], [1, 3]);
});

test("a table of two sliders is read at the right place", () => {
  const low = -1, high = 3, f = (i, j) => -1 + i * 0.5 + j * 0.25;
  const levels = Array.from({ length: 15 }, (_, k) => Math.round(((f(Math.floor(k / 5), k % 5) - low) / (high - low)) * 4094));
  const table = decodeTable(packed(levels, 5), { name: "f", shape: [], grid: [3, 5], low, high, steps: 4094, offset: 0 });
  const controls = [{ kind: "slider", name: "a", low: 0, high: 2, count: 3, smooth: true }, { kind: "slider", name: "b", low: 0, high: 4, count: 5, smooth: true }];
  close(lookup(table, positions(controls, { a: 1.3, b: 2.6 }), controls)[0], f(1.3, 2.6), 2e-3);
  close(lookup(table, positions(controls, { a: 99, b: -99 }), controls)[0], f(2, 0), 2e-3); // out of range stays on the edge
});

test("an axis that does not matter is kept once; gaps stay gaps", () => {
  const table = decodeTable(packed([0, 4095], 2), { name: "f", shape: [2], grid: [1], low: 5, high: 6, steps: 4094, offset: 0 });
  const controls = [{ kind: "slider", name: "a", low: 0, high: 1, count: 9, smooth: true }];
  const value = lookup(table, positions(controls, { a: 0.7 }), controls);
  close(value[0], 5);
  assert.ok(Number.isNaN(value[1]));
});

test("a choice is rounded to an option", () => {
  assert.deepEqual(positions([{ kind: "choice", name: "c", count: 3 }], { c: 1.4 }), [1]);
  assert.deepEqual(positions([{ kind: "choice", name: "c", count: 3 }], { c: 9 }), [2]);
});

test("bytes at an odd offset are read all the same", () => {
  const buffer = new Uint8Array(11);
  buffer.set(new Uint8Array(Float32Array.from([1.5, -2]).buffer), 3);
  assert.deepEqual([...slice(new DataView(buffer.buffer, 1), 2, 2, Float32Array)], [1.5, -2]);
});

test("a network is x W + b through its activation, layer by layer", () => {
  const bytes = new ArrayBuffer(64);
  new Int8Array(bytes, 0, 6).set([1, 2, 3, 4, 5, 6]);
  new Float32Array(bytes, 8, 3).set([1, 1, 2]); // the third column is doubled
  new Float32Array(bytes, 20, 3).set([0.5, -20, 0]);
  new Int8Array(bytes, 32, 3).set([100, 0, 127]);
  new Float32Array(bytes, 36, 1).set([0.01]);
  new Float32Array(bytes, 40, 1).set([-47]);
  const net = decodeNetwork(new DataView(bytes), { layers: [
    { inputs: 2, outputs: 3, activation: "relu", kernel: 0, scale: 8, bias: 20 },
    { inputs: 3, outputs: 1, activation: "sigmoid", kernel: 32, scale: 36, bias: 40 }] });
  const hidden = [1 * 1 + 2 * 4 + 0.5, Math.max(0, 1 * 2 + 2 * 5 - 20), 2 * (1 * 3 + 2 * 6)];
  close(forward(net.layers, [1, 2])[0], 1 / (1 + Math.exp(-(hidden[0] + 1.27 * hidden[2] - 47))), 1e-4);
});

test("a log slider's positions are even in the logarithm", () => {
  const controls = [{ kind: "slider", name: "s", low: 0.1, high: 10, count: 5, log: true }];
  close(positions(controls, { s: 1 })[0], 2, 1e-9);
});

test("pixels and units map to each other and back", () => {
  const s = makeScale({ x: { low: -2, high: 2 }, y: { low: 0, high: 10 }, title: "t" }, 400, 300);
  close(s.vx(s.px(0.7)), 0.7);
  close(s.vy(s.py(3)), 3);
  assert.ok(s.py(10) < s.py(0));
});

test("colours: paper and ink change places in the dark theme", () => {
  assert.deepEqual(colourAt("ink", 0, [0, 1], false), [255, 255, 255]);
  assert.ok(colourAt("ink", 0, [0, 1], true)[0] < 40);
  assert.notEqual(palette(true).model, palette(false).model);
});

test("the legend names each label once", () => {
  const marks = [{ kind: "curve", label: "p", colour: "data" }, { kind: "curve", label: "p", colour: "data" }, { kind: "bars", colours: [] }];
  assert.equal(legendEntries({ marks }).length, 1);
});
