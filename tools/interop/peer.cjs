// Runs Shopify's official JavaScript adapters for peer.py.
//
// Reads one JSON request a line, {call, op, handle, ...}, and writes one answer a line, {call, result}
// or {call, error}, in the order in which they are ready. A date is {"$date": milliseconds}; a key
// that is undefined in JavaScript is absent.

'use strict';

const readline = require('node:readline');

require('@shopify/shopify-api/adapters/node');
const {Session} = require('@shopify/shopify-api');

const DATES = ['expires', 'refreshTokenExpires'];

// --- adapters ------------------------------------------------------------------------------------

const ADAPTERS = {
  sqlite({database, table}) {
    const {SQLiteSessionStorage} = require('@shopify/shopify-app-session-storage-sqlite');
    const storage = new SQLiteSessionStorage(database, withTable(table));
    return [storage, () => storage.db.disconnect()];
  },

  postgresql({url, table}) {
    const {PostgreSQLSessionStorage} = require('@shopify/shopify-app-session-storage-postgresql');
    const storage = new PostgreSQLSessionStorage(url, withTable(table));
    return [storage, () => storage.disconnect()];
  },

  mysql({url, table}) {
    const {MySQLSessionStorage} = require('@shopify/shopify-app-session-storage-mysql');
    const storage = new MySQLSessionStorage(url, withTable(table));
    return [storage, () => storage.disconnect()];
  },

  redis({url, prefix}) {
    const {RedisSessionStorage} = require('@shopify/shopify-app-session-storage-redis');
    const storage = new RedisSessionStorage(url, {sessionKeyPrefix: prefix});
    return [storage, () => storage.disconnect()];
  },

  mongodb({url, database}) {
    const {MongoDBSessionStorage} = require('@shopify/shopify-app-session-storage-mongodb');
    const storage = new MongoDBSessionStorage(url, database);
    return [storage, () => storage.disconnect()];
  },

  dynamodb({endpoint, region, table}) {
    const {DynamoDBSessionStorage} = require('@shopify/shopify-app-session-storage-dynamodb');
    const credentials = {accessKeyId: 'local', secretAccessKey: 'local'};
    const storage = new DynamoDBSessionStorage({
      sessionTableName: table,
      config: {endpoint, region, credentials},
    });
    return [storage, () => storage.client.destroy()];
  },

  kv({url, token}) {
    const {KVSessionStorage} = require('@shopify/shopify-app-session-storage-kv');
    return [new KVSessionStorage(namespaceAt(url, token)), () => {}];
  },
};

function withTable(table) {
  return table === undefined ? {} : {sessionTableName: table};
}

// What a Worker's binding does, through Cloudflare's REST API.
function namespaceAt(url, token) {
  async function request(method, key, body) {
    const answer = await fetch(`${url}/values/${encodeURIComponent(key)}`, {
      method,
      body,
      headers: {Authorization: `Bearer ${token}`},
    });
    if (!answer.ok && answer.status !== 404) throw new Error(`${method}: ${answer.status}`);
    return answer;
  }
  return {
    async get(key) {
      const answer = await request('GET', key);
      const text = await answer.text();
      return answer.ok ? JSON.parse(text) : null;
    },
    put: async (key, value) => void (await request('PUT', key, value)),
    delete: async (key) => void (await request('DELETE', key)),
  };
}

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

// The adapters leave promises unhandled, and errors of idle connections to whoever listens.
process.on('unhandledRejection', (error) => console.error('unhandled:', error));
process.on('uncaughtException', (error) => console.error('uncaught:', error));

const lines = readline.createInterface({input: process.stdin});
lines.on('line', answer);
lines.on('close', () => process.exit(0));
