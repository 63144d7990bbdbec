// Records what Shopify's JavaScript makes of sessions, scopes and shops, for the tests of core.
//
//   npm install && node session_vectors.mjs > javascript_vectors.json
//
// What JSON cannot hold is written as {"$number": "NaN"} and {"$date": milliseconds}, where an
// Invalid Date has null. Every record takes one line.

import {readFileSync} from 'node:fs';

import '@shopify/shopify-api/adapters/node';
import {AuthScopes, Session, shopifyApi} from '@shopify/shopify-api';

// --- input ---------------------------------------------------------------------------------------

const BASES = {
  none: [],
  offline: [['id', 'i'], ['shop', 's'], ['state', ''], ['isOnline', false]],
  online: [['id', 'i'], ['shop', 's'], ['state', ''], ['isOnline', true]],
};

// Values by what becomes of them: kept as they are, String(), Number() and Boolean().
const OTHERS = [true, false, null, [], [1], ['1'], [[]], {}, {a: 1}];
const FEW = ['', 'abc', '0', 'false', 0, 1.5, NaN, true, false, null, [], {}];
const KEPT = [...FEW, ' ', 'Zoë 🛍', 'null', 1, [1]];
const NUMBERS = [
  0, -0, 1, -1, 1.5, -1.5, 0.5, 1000, 1000.9, 902541635, 0.000001, 1e-7, 1.5e-10, 123456789.125, 2 ** 53 - 1, 2 ** 53, 2 ** 64,
  1e20, 1e21, 1.5e22, -1e21, 1.7976931348623157e308, NaN, Infinity, -Infinity,
  -62135596800000, -62135596800001, 253402300799999, 253402300800000, 8.64e15, 8640000000000001,
];
const TEXTUAL = ['', ' ', 'abc', 'Zoë 🛍', '0', 'false', ' 12 ', ...NUMBERS, ...OTHERS];
const NUMERIC = [
  '', ' ', 'abc', 'null', 'true', '0', '1', '-1', '-0', '00012', '+5', '.5', '5.', '.', '1000', '1000.9', '-1000.9', '1e3', '1e400', '1E-7', '1_000',
  '1,000', '١٢', '0x10', '0XfF', '0b11', '0o17', '-0x10', '0x', 'NaN', 'Infinity', '-Infinity', 'infinity', 'inf',
  ' 12 ', '\t12\n', '\u00a012\u3000', '\ufeff12\u2028', '\u008512', '\u001c12', '12 13', '902541635', '98765432101.0',
  '9007199254740991', '9007199254740991.0', '253402300799999', '253402300800000', '2031-05-06T07:08:09.000Z',
  `1${'0'.repeat(309)}`, ...NUMBERS, ...OTHERS,
];
const BOOLEAN = [
  '', ' ', 'abc', 'null', 'true', 'TRUE', 'True', 'tRuE', ' true', 'false', 'FALSE', '0', '1', 0, -0, 1, -1, 0.5, 1.5, NaN, Infinity, ...OTHERS,
];

const VALUES = {
  id: KEPT, shop: KEPT, state: KEPT, accessToken: KEPT,
  scope: TEXTUAL, refreshToken: TEXTUAL, expires: NUMERIC, refreshTokenExpires: NUMERIC,
};
const USER_VALUES = {
  onlineAccessInfo: NUMERIC, userId: NUMERIC, firstName: TEXTUAL, lastName: FEW, email: FEW, locale: FEW,
  emailVerified: BOOLEAN, accountOwner: FEW, collaborator: FEW,
};

function* propertyArrays() {
  for (const [key, values] of Object.entries(VALUES)) {
    for (const value of values) yield ['offline', [[key, value]], true];
  }
  for (const [key, values] of Object.entries(USER_VALUES)) {
    for (const value of values) yield ['online', [[key, value]], true];
    for (const value of FEW) {
      yield ['online', [[key, value]], false];
      yield ['offline', [[key, value]], true];
    }
  }
  for (const value of BOOLEAN) {
    yield ['offline', [['isOnline', value], ['firstName', 'Ada']], true];
    yield ['offline', [['isOnline', value], ['onlineAccessInfo', 5]], false];
  }
  for (const value of FEW) yield ['offline', [['createdAt', value], ['token', value]], true];
  const full = [
    ['id', 'shop_1'], ['shop', 'shop.myshopify.com'], ['state', 'nonce'], ['isOnline', true], ['scope', 'read_products,write_orders'],
    ['expires', 1936076889123], ['accessToken', 'shpat_1'], ['refreshToken', 'shprt_1'], ['refreshTokenExpires', '1943841721000'],
    ['userId', 902541635], ['firstName', 'Ada'], ['lastName', ''], ['email', 'ada@shop.example'], ['locale', 'en-GB'],
    ['emailVerified', 1], ['accountOwner', 0], ['collaborator', false],
  ];
  const cases = [(key) => key, (key) => key.toLowerCase(), (key) => key.toUpperCase(), (key) => key[0].toUpperCase() + key.slice(1)];
  for (const flag of [true, false]) {
    for (const change of cases) yield ['none', full.map(([key, value]) => [change(key), value]), flag];
    yield ['none', [...full].reverse(), flag];
    for (const [missing] of full) yield ['none', full.filter(([key]) => key !== missing), flag];
    for (const [missing] of full.slice(0, 4)) {
      yield ['none', [...BASES.offline.filter(([key]) => key !== missing), [missing, null]], flag];
    }
    yield ['none', [], flag];
    for (const online of ['online', 'offline']) {
      yield [online, [['userId', 1], ['onlineAccessInfo', 2]], flag];
      yield [online, [['onlineAccessInfo', 2], ['userId', 1]], flag];
      yield [online, [['userId', 'abc'], ['onlineAccessInfo', '98765432101.0']], flag];
      yield [online, [['onlineAccessInfo', 'abc'], ['userId', '7']], flag];
      yield [online, [['userId', 7], ['onlineAccessInfo', null]], flag];
      yield [online, [['onlineAccessInfo', 7], ['userId', null]], flag];
      yield [online, [['userId', 1], ['onlineAccessInfo', 2], ['USERID', 3]], flag];
      yield [online, [['firstName', 'first'], ['FIRSTNAME', 'second']], flag];
      yield [online, [['firstName', 'first'], ['firstname', null]], flag];
      yield [online, [['scope', null], ['Scope', 'read_products']], flag];
    }
    yield ['offline', [['shop', 't'], ['SHOP', 'u'], ['Id', 'j'], ['ACCESSTOKEN', 'a'], ['accesstoken', 'b']], flag];
    yield ['offline', [['isonline', 'true'], ['ISONLINE', 'no']], flag];
    yield ['offline', [['expires', 'abc'], ['EXPIRES', 1000]], flag];
    yield ['offline', [['expires', 1000], ['EXPIRES', 0]], flag];
    yield ['offline', [['ex pires', 1], ['expires ', 1], ['refresh_token', 'x'], ['access-token', 'x'], ['', 'x'], ['7', 'x']], flag];
  }
}

const USERS = [
  {},
  {id: 0},
  {id: 902541635},
  {id: 2 ** 53 - 1, first_name: '', last_name: '', email: '', locale: ''},
  {locale: 'fr', collaborator: false, account_owner: true, email_verified: false, email: 'é@x', last_name: 'B', first_name: 'A', id: 1},
];
const DATES = [1, 999, 1000, 1001, 0, -1, -1001, 1936076889123, -62135596800000, 253402300799999];

function constructed() {
  const offline = {id: 'offline_s', shop: 's', state: '', isOnline: false};
  const online = {id: 's_1', shop: 's', state: 'nonce', isOnline: true};
  const sessions = [offline, online, {...offline, state: 'Zoë 🛍'}];
  for (const text of ['', ' ', 'x', 'read_a,read_b', '𝒳\n"']) {
    for (const key of ['scope', 'accessToken', 'refreshToken']) sessions.push({...offline, [key]: text});
  }
  for (const milliseconds of DATES) {
    for (const key of ['expires', 'refreshTokenExpires']) sessions.push({...offline, [key]: new Date(milliseconds)});
  }
  for (const base of [offline, online]) {
    for (const user of USERS) {
      sessions.push({...base, onlineAccessInfo: {associated_user: user}});
      sessions.push({...base, onlineAccessInfo: {expires_in: 86399, associated_user_scope: 'read_a', associated_user: user}});
      sessions.push({...base, onlineAccessInfo: {expires_in: 0, associated_user_scope: '', associated_user: user}});
    }
  }
  sessions.push({
    onlineAccessInfo: {associated_user: USERS[4], associated_user_scope: 'a', expires_in: 1}, refreshTokenExpires: new Date(2001),
    refreshToken: 'r', accessToken: 'a', expires: new Date(1001), scope: 'read_a', isOnline: true, state: 'n', shop: 's', id: 's_1',
  });
  return sessions;
}

const SCOPES = [
  '', ' , ,', ',', 'read_a', 'write_a', 'read_b', 'write_a,read_a', 'read_a,write_a', 'read_a,read_b', 'read_b,read_a', 'write_a,read_b',
  'write_a,write_b', 'read_a,read_a', 'unauthenticated_read_a', 'unauthenticated_write_a', 'unauthenticated_write_a,read_a',
  'unauthenticated_write_a,unauthenticated_read_a', ' read_a ,\twrite_b\n', 'read_a read_b', 'READ_A', 'Write_a', 'write_', 'read_', 'write_write_a',
  'customer_write_a', 'customer_read_a', 'xwrite_a', 'unauthenticated_unauthenticated_write_a', 'customer_write_é,read_é',
  [], [''], ['read_a'], ['read_a,read_b'], ['write_a', ' read_a '], ['write_b', 'write_a', 'read_c', 'read_b'],
];

const SHOPS = [
  'my-shop.myshopify.com', 'My-Shop.myshopify.com', 'MY_SHOP1.myshopify.com', '1.myshopify.com', 'a.myshopify.com', 'a--b_.myshopify.com',
  'my-shop.myshopify.com/', 'my-shop.myshopify.com///', 'my-shop.MyShopify.com', 'my-shop', '', ' ', ' my-shop.myshopify.com ',
  'https://my-shop.myshopify.com', 'http://my-shop.myshopify.com/', 'https://My-Shop.myshopify.com/admin?x=1#y', 'my-shop.myshopify.com/admin',
  'my-shop.myshopify.com?x', 'my-shop.myshopify.com#x', 'admin.shopify.com/store/my-shop', 'https://admin.shopify.com/store/my-shop/products',
  'admin.shopify.com/store/My-Shop', 'admin.shopify.com/store/my-shop/', 'admin.shopify.com/store/', 'admin.shopify.com/store/-x', 'admin.shopify.com',
  'admin.shopify.com/stores/my-shop', 'evil.com/admin.shopify.com/store/my-shop', 'my-shop.shopify.com', 'my-shop.myshopify.io', 'my-shop.shop.dev',
  'my-shop.spin.dev', 'admin.shop.dev/store/my-shop', 'admin.myshopify.io/store/my-shop',
  'my-shop.myshopify.com.evil.com', 'my-shop.myshopify.com.myshopify.com', 'evil.com/my-shop.myshopify.com', 'evil.com?my-shop.myshopify.com',
  'evil.com#my-shop.myshopify.com', 'my-shop.myshopify.com@evil.com', 'user:pw@my-shop.myshopify.com', 'https://user@my-shop.myshopify.com/',
  'my-shop.myshopify.com:443', 'my-shop.myshopify.com\\@evil.com', 'evil.com\\my-shop.myshopify.com', 'a.b.myshopify.com', '-a.myshopify.com',
  '_a.myshopify.com', '.myshopify.com', 'myshopify.com', 'myshopify.com/x', 'my-shopmyshopify.com', 'my-shopXmyshopify.com', 'my-shop.myshopify.co',
  'my-shop.myshopify.comx', 'my shop.myshopify.com', 'my-shop.myshopify.com\n', 'my-shop.myshopify.com\nevil.com', 'my-shop\n.myshopify.com',
  'my-shop.myshopify.com\0', 'mÿ.myshopify.com', 'ſhop.myshopify.com', '\u212aelvin.myshopify.com', 'my-shop.myſhopify.com', 'my-shop．myshopify．com',
  'ftp://my-shop.myshopify.com', '//my-shop.myshopify.com', 'javascript:my-shop.myshopify.com', 'https:my-shop.myshopify.com', '%6dy.myshopify.com',
  'my-shop.myshopify.com%2eevil.com', 'my-shop.myshopify.com;evil.com', "my-shop'--.myshopify.com", 'null', '../x',
];

const USER_IDS = [1, 902541635, '902541635', 2 ** 53 - 1];

// --- output --------------------------------------------------------------------------------------

function encode(value) {
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) {
    return {$number: Object.is(value, -0) ? '-0' : String(value)};
  }
  if (value instanceof Date) return {$date: Number.isNaN(value.getTime()) ? null : value.getTime()};
  if (Array.isArray(value)) return value.map(encode);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encode(inner)]));
  }
  return value;
}

// What a session gives: "short" is toPropertyArray(false), left out where it is the same. So are,
// everywhere, the pairs that are as in the base.
function outcome(session, base = []) {
  const isNew = ([key, value]) => !base.some(([baseKey, baseValue]) => key === baseKey && value === baseValue);
  const [array, short] = [true, false].map((flag) => encode(session.toPropertyArray(flag).filter(isNew)));
  const same = JSON.stringify(array) === JSON.stringify(short);
  const object = encode(Object.fromEntries(Object.entries(session.toObject()).filter(isNew)));
  return {array, ...(same ? {} : {short}), object};
}

function read([base, pairs, flag]) {
  const session = Session.fromPropertyArray([...BASES[base], ...pairs], flag);
  return {base, pairs: encode(pairs), flag, ...outcome(session, BASES[base])};
}

function compare(session, others) {
  return {session: encode(session), equals: others.map((other) => new Session(session).equals(new Session(other)))};
}

function scopes(given) {
  const made = new AuthScopes(given);
  return {
    given,
    string: made.toString(),
    list: made.toArray(),
    copied: new AuthScopes(made).toArray(),
    has: SCOPES.map((other) => made.has(other)),
    equals: SCOPES.map((other) => made.equals(other)),
  };
}

const shopify = shopifyApi({
  apiKey: 'key',
  apiSecretKey: 'secret',
  hostName: 'app.example',
  apiVersion: '2026-07',
  isEmbeddedApp: true,
  logger: {log: () => {}},
});

const sessions = constructed();
const comparable = [sessions[0], ...sessions.filter((session) => session.isOnline || session.scope !== undefined || session.expires)];
const packageVersion = JSON.parse(
  readFileSync(new URL('./node_modules/@shopify/shopify-api/package.json', import.meta.url)),
).version;

const sections = {
  read: [...propertyArrays()].map(read),
  constructed: sessions.map((session) => ({session: encode(session), ...outcome(new Session(session))})),
  equal: comparable.map((session) => compare(session, comparable)),
  scopes: SCOPES.map(scopes),
  shops: SHOPS.map((shop) => ({shop, sanitized: shopify.utils.sanitizeShop(shop)})),
  ids: USER_IDS.map((user) => ({
    shop: 'my-shop.myshopify.com',
    user,
    offline: shopify.session.getOfflineId('my-shop.myshopify.com'),
    online: shopify.session.getJwtSessionId('my-shop.myshopify.com', user),
  })),
};

const header = {versions: {'@shopify/shopify-api': packageVersion, node: process.version}, bases: BASES};
const lines = Object.entries(sections).map(
  ([name, records]) => `"${name}": [\n${records.map((record) => JSON.stringify(record)).join(',\n')}\n]`,
);
process.stdout.write(`${JSON.stringify(header).slice(0, -1)},\n${lines.join(',\n')}\n}\n`);
