// The tables of Shopify's package for Drizzle, as its own schema files have them.

'use strict';

const mysql = require('drizzle-orm/mysql-core');
const postgresql = require('drizzle-orm/pg-core');
const sqlite = require('drizzle-orm/sqlite-core');

module.exports = {
  sqlite: sqlite.sqliteTable('session', {
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

  postgresql: postgresql.pgTable('session', {
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

  mysql: mysql.mysqlTable('session', {
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
};
