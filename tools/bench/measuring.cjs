// Measures as figures.py, measuring.py and arrivals.py do.

'use strict';

const fs = require('node:fs');
const {setTimeout: sleep} = require('node:timers/promises');

const TICK = 1; // milliseconds

class Meter {
  constructor() {
    this.times = [];
    this.cpu = process.cpuUsage();
    this.started = performance.now();
  }

  measured() {
    const seconds = (performance.now() - this.started) / 1000;
    const used = process.cpuUsage(this.cpu);
    const times = this.times.sort((a, b) => a - b);
    const calls = times.length;
    return {
      calls,
      seconds,
      rate: calls / seconds,
      p50: times[Math.floor(calls / 2)],
      p99: times[Math.floor((calls * 99) / 100)],
      cpu: (used.user + used.system) / calls,
      memory: memory(),
    };
  }
}

function memory() {
  if (fs.existsSync('/proc/self/status')) {
    // On Linux what getrusage() tells begins with the parent's memory.
    return /VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1] / 1024;
  }
  return process.resourceUsage().maxRSS / 1024;
}

async function measure(call, {count, concurrency, seconds}) {
  const meter = new Meter();
  const end = meter.started + seconds * 1000;
  let next = 0;
  async function caller() {
    while (next < count) {
      const started = performance.now();
      await call(next++);
      meter.times.push(performance.now() - started);
      if (performance.now() > end) break;
    }
  }
  await Promise.all(Array.from({length: concurrency}, caller));
  return meter.measured();
}

async function arrive(call, {count, rate, seconds}) {
  const meter = new Meter();
  const pause = () => (-Math.log(1 - Math.random()) / rate) * 1000;
  const began = meter.started;
  const underWay = [];
  async function one(number, due) {
    await call(number);
    meter.times.push(performance.now() - due);
  }
  let number = 0;
  let due = began;
  for (let tick = began; tick < began + seconds * 1000 && number < count; ) {
    tick += TICK;
    const left = tick - performance.now();
    // A timer of Node's takes a whole millisecond at least.
    await (left > 0.5 ? sleep(left) : new Promise(setImmediate));
    while (due <= tick && number < count) {
      underWay.push(one(number++, tick));
      due += pause();
    }
  }
  await Promise.all(underWay);
  return meter.measured();
}

module.exports = {arrive, measure};
