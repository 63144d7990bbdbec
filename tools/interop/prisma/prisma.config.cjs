// What Prisma's commands work with: they are given the kind of database and its address.

'use strict';

const DRIVERS = require('./drivers.cjs');

const {PROVIDER, DATABASE_URL} = process.env;

// The commands read PostgreSQL's catalogue, and their driver does not know all of its types.
const CATALOGUE_TYPES = [18, 19]; // "char" and name
const TEXT = 25;

function readCatalogueAsText() {
  const {prototype} = require('pg/lib/result');
  const {addFields} = prototype;
  prototype.addFields = function (fields) {
    for (const field of fields) {
      if (CATALOGUE_TYPES.includes(field.dataTypeID)) field.dataTypeID = TEXT;
    }
    return addFields.call(this, fields);
  };
}

module.exports = {
  experimental: {adapter: true},
  engine: 'js',
  async adapter() {
    if (PROVIDER === 'postgresql') readCatalogueAsText();
    return DRIVERS[PROVIDER](DATABASE_URL);
  },
};
