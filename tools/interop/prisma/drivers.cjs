// The drivers, written in JavaScript, that a Prisma client or Prisma's own commands work with.

'use strict';

const DRIVERS = {
  sqlite(url, timestampFormat) {
    const {PrismaLibSQL} = require('@prisma/adapter-libsql');
    return new PrismaLibSQL({url, timeout: 5000}, {timestampFormat});
  },

  postgresql(url) {
    const {PrismaPg} = require('@prisma/adapter-pg');
    return new PrismaPg({connectionString: url});
  },

  mysql(url) {
    const {PrismaMariaDb} = require('@prisma/adapter-mariadb');
    const {hostname, port, username, password, pathname} = new URL(url);
    return new PrismaMariaDb({
      host: hostname,
      port: Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      allowPublicKeyRetrieval: true,
    });
  },
};

module.exports = DRIVERS;
