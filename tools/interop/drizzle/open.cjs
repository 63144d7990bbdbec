// Opens Shopify's adapter for Drizzle: returns the storage and what closes it.

'use strict';

const {mysql, postgresql, sqlite} = require('./schemas.cjs');

const OPEN = {
  sqlite(url) {
    const {createClient} = require('@libsql/client');
    const {drizzle} = require('drizzle-orm/libsql');
    const {DrizzleSessionStorageSQLite} = require('@shopify/shopify-app-session-storage-drizzle');
    const client = createClient({url, timeout: 5000});
    return [new DrizzleSessionStorageSQLite(drizzle(client), sqlite.session), () => client.close()];
  },

  postgresql(url) {
    const {Pool} = require('pg');
    const {drizzle} = require('drizzle-orm/node-postgres');
    const {DrizzleSessionStoragePostgres} = require('@shopify/shopify-app-session-storage-drizzle');
    const pool = new Pool({connectionString: url});
    return [new DrizzleSessionStoragePostgres(drizzle(pool), postgresql.session), () => pool.end()];
  },

  mysql(url) {
    const {createPool} = require('mysql2/promise');
    const {drizzle} = require('drizzle-orm/mysql2');
    const {DrizzleSessionStorageMySQL} = require('@shopify/shopify-app-session-storage-drizzle');
    const pool = createPool(url);
    return [new DrizzleSessionStorageMySQL(drizzle(pool), mysql.session), () => pool.end()];
  },
};

module.exports = ({provider, url}) => OPEN[provider](url);
