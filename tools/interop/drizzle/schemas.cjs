// The tables of Shopify's package for Drizzle, as its own schema files have them; and our leases.

'use strict';

const mysql = require('drizzle-orm/mysql-core');
const postgresql = require('drizzle-orm/pg-core');
const sqlite = require('drizzle-orm/sqlite-core');

module.exports = {
  sqlite: {
    session: sqlite.sqliteTable('session', {
      id: sqlite.text('id').primaryKey(),
      shop: sqlite.text('shop').notNull(),
      state: sqlite.text('state').notNull(),
      isOnline: sqlite.integer('isOnline', {mode: 'boolean'}).notNull().default(false),
      scope: sqlite.text('scope'),
      expires: sqlite.text('expires'),
      accessToken: sqlite.text('accessToken').notNull(),
      userId: sqlite.blob('userId', {mode: 'bigint'}),
      firstName: sqlite.text('firstName'),
      lastName: sqlite.text('lastName'),
      email: sqlite.text('email'),
      accountOwner: sqlite.integer('accountOwner', {mode: 'boolean'}),
      locale: sqlite.text('locale'),
      collaborator: sqlite.integer('collaborator', {mode: 'boolean'}),
      emailVerified: sqlite.integer('emailVerified', {mode: 'boolean'}),
      refreshToken: sqlite.text('refreshToken'),
      refreshTokenExpires: sqlite.text('refreshTokenExpires'),
    }),

    leases: sqlite.sqliteTable('session_leases', {
      name: sqlite.text('name').primaryKey(),
      holder: sqlite.text('holder').notNull(),
      expires: sqlite.integer('expires').notNull(),
    }),
  },

  postgresql: {
    session: postgresql.pgTable('session', {
      id: postgresql.text('id').primaryKey(),
      shop: postgresql.text('shop').notNull(),
      state: postgresql.text('state').notNull(),
      isOnline: postgresql.boolean('isOnline').default(false).notNull(),
      scope: postgresql.text('scope'),
      expires: postgresql.timestamp('expires', {mode: 'date'}),
      accessToken: postgresql.text('accessToken').notNull(),
      userId: postgresql.bigint('userId', {mode: 'number'}),
      firstName: postgresql.text('firstName'),
      lastName: postgresql.text('lastName'),
      email: postgresql.text('email'),
      accountOwner: postgresql.boolean('accountOwner'),
      locale: postgresql.text('locale'),
      collaborator: postgresql.boolean('collaborator'),
      emailVerified: postgresql.boolean('emailVerified'),
      refreshToken: postgresql.text('refreshToken'),
      refreshTokenExpires: postgresql.timestamp('refreshTokenExpires', {mode: 'date'}),
    }),

    leases: postgresql.pgTable('session_leases', {
      name: postgresql.text('name').primaryKey(),
      holder: postgresql.text('holder').notNull(),
      expires: postgresql.bigint('expires', {mode: 'number'}).notNull(),
    }),
  },

  mysql: {
    session: mysql.mysqlTable('session', {
      id: mysql.varchar('id', {length: 255}).primaryKey(),
      shop: mysql.text('shop').notNull(),
      state: mysql.text('state').notNull(),
      isOnline: mysql.boolean('isOnline').default(false).notNull(),
      scope: mysql.text('scope'),
      expires: mysql.timestamp('expires', {mode: 'date'}),
      accessToken: mysql.text('accessToken').notNull(),
      userId: mysql.bigint('userId', {mode: 'number'}),
      firstName: mysql.text('firstName'),
      lastName: mysql.text('lastName'),
      email: mysql.text('email'),
      accountOwner: mysql.boolean('accountOwner'),
      locale: mysql.text('locale'),
      collaborator: mysql.boolean('collaborator'),
      emailVerified: mysql.boolean('emailVerified'),
      refreshToken: mysql.text('refreshToken'),
      refreshTokenExpires: mysql.timestamp('refreshTokenExpires', {mode: 'date'}),
    }),

    leases: mysql.mysqlTable('session_leases', {
      name: mysql.varchar('name', {length: 255}).primaryKey(),
      holder: mysql.varchar('holder', {length: 255}).notNull(),
      expires: mysql.bigint('expires', {mode: 'number'}).notNull(),
    }),
  },
};
