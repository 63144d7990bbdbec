// Opens Shopify's official adapters by the names of their backends: returns the storage and what
// closes it.

'use strict';

require('@shopify/shopify-api/adapters/node');

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

  'kv-style'({url, token}) {
    const {KVSessionStorage} = require('@shopify/shopify-app-session-storage-kv');
    return [new KVSessionStorage(namespaceAt(url, token)), () => {}];
  },

  drizzle: (options) => require('./drizzle/open.cjs')(options),
  prisma: (options) => require('./prisma/open.cjs')(options),
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

module.exports = ADAPTERS;
