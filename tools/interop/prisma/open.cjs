// Opens Shopify's adapter for Prisma: returns the storage and what closes it.

'use strict';

const {join} = require('node:path');

const DRIVERS = require('./drivers.cjs');

const ADAPTER = '@shopify/shopify-app-session-storage-prisma';

const packages = new Map();

// In an app, @prisma/client is the client of the app's one schema. Here it is that of each
// database in turn, and the adapter is loaded once for each.
function packagesOf(provider) {
  if (!packages.has(provider)) {
    const client = require(join(process.env.PRISMA_CLIENTS, provider));
    const id = require.resolve('@prisma/client');
    require.cache[id] = {id, filename: id, loaded: true, exports: client};
    delete require.cache[require.resolve(ADAPTER)];
    packages.set(provider, {...client, ...require(ADAPTER)});
  }
  return packages.get(provider);
}

module.exports = ({provider, url, model, timestampFormat}) => {
  const {PrismaClient, PrismaSessionStorage} = packagesOf(provider);
  const prisma = new PrismaClient({adapter: DRIVERS[provider](url, timestampFormat)});
  const storage = new PrismaSessionStorage(prisma, {tableName: model});
  return [storage, () => prisma.$disconnect()];
};
