// Runs Shopify's official JavaScript adapters for peer.py.
//
// Reads one JSON request a line, {call, op, handle, ...}, and writes one answer a line, {call, result}
// or {call, error}, in the order in which they are ready. A date is {"$date": milliseconds}; a key
// that is undefined in JavaScript is absent.

'use strict';

const readline = require('node:readline');

const {Session} = require('@shopify/shopify-api');

const ADAPTERS = require('./adapters.cjs');

const DATES = ['expires', 'refreshTokenExpires'];

// --- operations ----------------------------------------------------------------------------------

const handles = new Map();
let lastHandle = 0;

const OPERATIONS = {
  async open({backend, options}) {
    const [storage, close] = ADAPTERS[backend](options);
    try {
      await storage.ready;
    } catch (error) {
      await close();
      throw error;
    }
    lastHandle += 1;
    handles.set(lastHandle, {storage, close});
    return lastHandle;
  },

  async close({handle}) {
    await handles.get(handle).close();
    handles.delete(handle);
    return null;
  },

  store: ({handle, session}) => on(handle).storeSession(fromPlain(session)),
  load: async ({handle, id}) => toPlain(await on(handle).loadSession(id)),
  find: async ({handle, shop}) => (await on(handle).findSessionsByShop(shop)).map(toPlain),
  delete: ({handle, id}) => on(handle).deleteSession(id),
  deleteMany: ({handle, ids}) => on(handle).deleteSessions(ids),
};

function on(handle) {
  return handles.get(handle).storage;
}

function fromPlain(data) {
  const dates = DATES.filter((key) => key in data);
  return new Session({
    ...data,
    ...Object.fromEntries(dates.map((key) => [key, new Date(data[key].$date)])),
  });
}

function toPlain(session) {
  if (session === undefined) return null;
  const dates = DATES.filter((key) => session[key] !== undefined && session[key] !== null);
  return {
    ...session,
    ...Object.fromEntries(dates.map((key) => [key, {$date: new Date(session[key]).getTime()}])),
  };
}

// --- requests ------------------------------------------------------------------------------------

async function answer(line) {
  const request = JSON.parse(line);
  let reply;
  try {
    reply = {result: await OPERATIONS[request.op](request)};
  } catch (error) {
    reply = {error: `${error.name}: ${error.message}`};
  }
  process.stdout.write(`${JSON.stringify({call: request.call, ...reply})}\n`);
}

// The answers have the output to themselves; the adapters for Prisma log to it.
console.log = console.error;

// The adapters leave promises unhandled, and errors of idle connections to whoever listens.
process.on('unhandledRejection', (error) => console.error('unhandled:', error));
process.on('uncaughtException', (error) => console.error('uncaught:', error));

const lines = readline.createInterface({input: process.stdin});
lines.on('line', answer);
lines.on('close', () => process.exit(0));
