// A process that runs an official adapter on request, as worker.py runs a Python subject.

'use strict';

const fs = require('node:fs');
const readline = require('node:readline');

const {Session} = require('@shopify/shopify-api');

const ADAPTERS = require('../interop/adapters.cjs');

const SHOP_SIZE = 5;
const STRIDE = 7919;
const EXPIRES = new Date('2031-05-06T07:08:09Z');
const REFRESH_EXPIRES = new Date('2031-08-04T03:02:01Z');

// --- the workload of workload.py -----------------------------------------------------------------

const shopOf = (number) => `bench-${Math.floor(number / SHOP_SIZE)}.myshopify.com`;

function idOf(number) {
  const user = number % SHOP_SIZE;
  return user === 0 ? `offline_${shopOf(number)}` : `${shopOf(number)}_${900000000 + user}`;
}

function sessionOf(number) {
  const user = number % SHOP_SIZE;
  const online = user !== 0;
  const hex = number.toString(16).padStart(32, '0');
  return new Session({
    id: idOf(number),
    shop: shopOf(number),
    state: '',
    isOnline: online,
    scope: 'read_customers,read_orders,write_products,write_themes',
    expires: EXPIRES,
    accessToken: `shpat_${hex}`,
    ...(online
      ? {
          onlineAccessInfo: {
            associated_user: {
              id: 900000000 + user,
              first_name: 'Ada',
              last_name: 'Lovelace',
              email: 'ada@shop.example',
              email_verified: true,
              account_owner: false,
              collaborator: true,
              locale: 'en',
            },
          },
        }
      : {refreshToken: `shprt_${hex}`, refreshTokenExpires: REFRESH_EXPIRES}),
  });
}

function numberOf(operation, first, index, stored) {
  switch (operation) {
    case 'store new':
    case 'delete':
      return first + index;
    case 'delete 10':
      return first + 10 * index;
    case 'load miss':
      return 10 ** 9 + index;
    case 'load hot':
      return 0;
    default:
      return (index * STRIDE) % stored;
  }
}

function callsOf(storage, {operation, first, stored, count}) {
  const numbers = Array.from({length: count}, (_, i) => numberOf(operation, first, i, stored));
  const each = (make, call) => {
    const inputs = numbers.map(make);
    return (index) => call(inputs[index]);
  };
  switch (operation) {
    case 'store':
    case 'store new':
      return each(sessionOf, (session) => storage.storeSession(session));
    case 'find':
      return each(shopOf, (shop) => storage.findSessionsByShop(shop));
    case 'delete':
      return each(idOf, (id) => storage.deleteSession(id));
    case 'delete 10':
      return each(
        (number) => Array.from({length: 10}, (_, more) => idOf(number + more)),
        (ids) => storage.deleteSessions(ids),
      );
    default:
      return each(idOf, (id) => storage.loadSession(id));
  }
}

// --- measuring -----------------------------------------------------------------------------------

async function measure(call, count, concurrency) {
  const times = [];
  let next = 0;
  async function caller() {
    while (next < count) {
      const index = next++;
      const started = performance.now();
      await call(index);
      times.push(performance.now() - started);
    }
  }
  const before = process.cpuUsage();
  const started = performance.now();
  await Promise.all(Array.from({length: Math.min(concurrency, count)}, caller));
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(before);
  times.sort((a, b) => a - b);
  return {
    rate: count / seconds,
    p50: times[Math.floor(count / 2)],
    p99: times[Math.min(count - 1, Math.floor((count * 99) / 100))],
    cpu: (used.user + used.system) / count,
    memory: memory(),
  };
}

function memory() {
  if (fs.existsSync('/proc/self/status')) {
    // On Linux what getrusage() tells begins with the parent's memory.
    return /VmHWM:\s*(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1] / 1024;
  }
  return process.resourceUsage().maxRSS / 1024;
}

async function main(backend, options) {
  const [storage] = ADAPTERS[backend](JSON.parse(options));
  await storage.ready;
  const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  say({});
  for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    say(await measure(callsOf(storage, request), request.count, request.concurrency));
  }
  process.exit(0);
}

main(...process.argv.slice(2));
