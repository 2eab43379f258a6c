// Runs machines in node: [{machine, data, set, loop, times, record, read}] as JSON in, their numbers out.
// set: {place: base64}; loop: names of programs, run in order `times` times; record: places whose first number is noted
// after every turn; read: places whose bytes are given back at the end.

import fs from "node:fs";
import { makeMachine } from "../../../course_lib/explorers/live/js/machine.js";

const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64"));
const results = [];
for (const job of JSON.parse(fs.readFileSync(process.argv[2], "utf8"))) {
  const { places, programs, memory } = await makeMachine(job.machine, bytesOf(job.data));
  const raw = (name) => { const v = places[name].values; return new Uint8Array(v.buffer, v.byteOffset, v.byteLength); };
  for (const [name, text] of Object.entries(job.set)) raw(name).set(bytesOf(text));
  const before = memory.buffer.byteLength, record = [];
  for (const name of job.first ?? []) programs[name]();
  const began = performance.now();
  for (let i = 0; i < job.times; i++) {
    for (const name of job.loop) programs[name]();
    record.push(job.record.map((name) => places[name].values[0]));
  }
  const ms = (performance.now() - began) / job.times;
  const read = Object.fromEntries(job.read.map((name) => [name, Buffer.from(raw(name)).toString("base64")]));
  results.push({ record, read, ms, grown: memory.buffer.byteLength - before, heap: process.memoryUsage().heapUsed });
}
fs.writeFileSync(process.argv[3], JSON.stringify(results));
