// Tokens encrypted at rest in Node, as `shopify_session_storage.encryption` has them in Python, over
// any of Shopify's official adapters: copy this file into your app.
//
//   const storage = new EncryptedSessionStorage(new PostgreSQLSessionStorage(url), await keyring());

const FIELDS = ['accessToken', 'refreshToken'];

// Keys of 32 bytes, as `id:base64,id:base64`; the first one seals, all open.
export async function keyring(text = process.env.SHOPIFY_SESSION_KEYS) {
  const keys = new Map();
  for (const [id, key] of text.split(',').map((entry) => entry.trim().split(':'))) {
    const bytes = Buffer.from(key, 'base64');
    if (bytes.length !== 32 || keys.has(id)) throw new Error(`the key ${id} is not usable`);
    keys.set(id, await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']));
  }
  return keys;
}

function algorithm({id, shop}, field, iv) {
  const context = ['shopify-session-storage', id, shop, field].join('\0');
  return {name: 'AES-GCM', iv, additionalData: Buffer.from(context)};
}

async function sealed(keys, session, field) {
  const [[id, key]] = keys;
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const text = Buffer.from(session[field]);
  const data = await crypto.subtle.encrypt(algorithm(session, field, iv), key, text);
  return `enc1.${id}.${Buffer.concat([iv, Buffer.from(data)]).toString('base64url')}`;
}

async function opened(keys, session, field) {
  if (!session[field].startsWith('enc1.')) return session[field]; // sealed when it is stored again
  const [, id, text] = session[field].split('.');
  if (!keys.has(id)) throw new Error(`the key ${id} is not in the keyring`);
  const data = Buffer.from(text, 'base64url');
  const how = algorithm(session, field, data.subarray(0, 12));
  return Buffer.from(await crypto.subtle.decrypt(how, keys.get(id), data.subarray(12))).toString();
}

async function changed(change, keys, session) {
  if (!session) return session;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(session)), session);
  for (const field of FIELDS) if (session[field]) copy[field] = await change(keys, session, field);
  return copy;
}

export class EncryptedSessionStorage {
  constructor(storage, keys) {
    Object.assign(this, {storage, keys});
  }
  async storeSession(session) {
    return this.storage.storeSession(await changed(sealed, this.keys, session));
  }
  async loadSession(id) {
    return changed(opened, this.keys, await this.storage.loadSession(id));
  }
  async findSessionsByShop(shop) {
    const found = await this.storage.findSessionsByShop(shop);
    return Promise.all(found.map((session) => changed(opened, this.keys, session)));
  }
  deleteSession = (id) => this.storage.deleteSession(id);
  deleteSessions = (ids) => this.storage.deleteSessions(ids);
}
