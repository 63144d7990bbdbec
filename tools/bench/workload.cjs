// The operations and the sessions of workload.py.

'use strict';

const {Session} = require('@shopify/shopify-api');

const ONCE = ['store new', 'delete', 'delete 10'];
const SHOP_SIZE = 5;
const INPUTS = 10_000;
const STRIDE = 7919;
const EXPIRES = new Date('2031-05-06T07:08:09Z');
const REFRESH_EXPIRES = new Date('2031-08-04T03:02:01Z');

const shopOf = (number) => `bench-${Math.floor(number / SHOP_SIZE)}.myshopify.com`;

function idOf(number) {
  const user = number % SHOP_SIZE;
  return user === 0 ? `offline_${shopOf(number)}` : `${shopOf(number)}_${900000000 + user}`;
}

function sessionOf(number) {
  const user = number % SHOP_SIZE;
  const online = user !== 0;
  const hex = number.toString(16).padStart(32, '0');
  return new Session({
    id: idOf(number),
    shop: shopOf(number),
    state: '',
    isOnline: online,
    scope: 'read_customers,read_orders,write_products,write_themes',
    expires: EXPIRES,
    accessToken: `shpat_${hex}`,
    ...(online
      ? {
          onlineAccessInfo: {
            associated_user: {
              id: 900000000 + user,
              first_name: 'Ada',
              last_name: 'Lovelace',
              email: 'ada@shop.example',
              email_verified: true,
              account_owner: false,
              collaborator: true,
              locale: 'en',
            },
          },
        }
      : {refreshToken: `shprt_${hex}`, refreshTokenExpires: REFRESH_EXPIRES}),
  });
}

function numberOf(operation, first, index, stored) {
  switch (operation) {
    case 'store new':
    case 'delete':
      return first + index;
    case 'delete 10':
      return first + 10 * index;
    case 'load miss':
      return 10 ** 9 + index;
    case 'load hot':
      return 0;
    default:
      return (index * STRIDE) % stored;
  }
}

// What does call number so-and-so of an operation, its input made beforehand.
function callOf(storage, {operation, first, stored, count}) {
  const length = ONCE.includes(operation) ? count : Math.min(count, stored, INPUTS);
  const numbers = Array.from({length}, (_, i) => numberOf(operation, first, i, stored));
  const each = (make, call) => {
    const inputs = numbers.map(make);
    return (index) => call(inputs[index % length]);
  };
  switch (operation) {
    case 'store':
    case 'store new':
      return each(sessionOf, (session) => storage.storeSession(session));
    case 'find':
      return each(shopOf, (shop) => storage.findSessionsByShop(shop));
    case 'delete':
      return each(idOf, (id) => storage.deleteSession(id));
    case 'delete 10':
      return each(
        (number) => Array.from({length: 10}, (_, more) => idOf(number + more)),
        (ids) => storage.deleteSessions(ids),
      );
    default:
      return each(idOf, (id) => storage.loadSession(id));
  }
}

module.exports = {callOf};
