// A process that runs an official adapter on request, as worker.py runs a Python subject.

'use strict';

const readline = require('node:readline');

const ADAPTERS = require('../interop/adapters.cjs');
const {arrive, measure} = require('./measuring.cjs');
const {callOf} = require('./workload.cjs');

async function main(backend, options) {
  const [storage] = ADAPTERS[backend](JSON.parse(options));
  await storage.ready;
  const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say({});
  for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    const run = request.op === 'arrive' ? arrive : measure;
    say(await run(callOf(storage, request), request));
  }
  process.exit(0);
}

main(...process.argv.slice(2));
