// What Prisma's commands work with: they are given the kind of database and its address.

'use strict';

const DRIVERS = require('./drivers.cjs');

const {PROVIDER, DATABASE_URL} = process.env;

module.exports = {
  experimental: {adapter: true},
  engine: 'js',
  adapter: async () => DRIVERS[PROVIDER](DATABASE_URL),
};
