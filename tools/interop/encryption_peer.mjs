// Stores and loads encrypted sessions for test_encryption.py: {backend, options, keys, store, load}
// comes in as JSON, what is loaded and found goes out. A date is {"$date": milliseconds}.

import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

import {EncryptedSessionStorage, keyring} from './encryption.mjs';

const require = createRequire(import.meta.url);
const {Session} = require('@shopify/shopify-api');
const ADAPTERS = require('./adapters.cjs');

const dated = (key, value) => (value?.$date === undefined ? value : new Date(value.$date));

function plain(session) {
  const data = session?.toObject() ?? null;
  for (const [key, value] of Object.entries(data ?? {})) {
    if (value instanceof Date) data[key] = {$date: value.getTime()};
  }
  return data;
}

const asked = JSON.parse(readFileSync(0, 'utf8'), dated);
const [inner, close] = ADAPTERS[asked.backend](asked.options);
await inner.ready;
const storage = new EncryptedSessionStorage(inner, await keyring(asked.keys));
for (const session of asked.store) await storage.storeSession(new Session(session));
const loaded = [];
for (const id of asked.load) {
  try {
    loaded.push(plain(await storage.loadSession(id)));
  } catch (error) {
    loaded.push({error: error.message || error.name});
  }
}
const found = asked.shop ? (await storage.findSessionsByShop(asked.shop)).map(plain) : [];
process.stdout.write(JSON.stringify({loaded, found}));
await close();
