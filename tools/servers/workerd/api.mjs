// The part of Cloudflare's REST API that concerns the values of KV namespaces, as a Worker: its
// paths, limits, envelopes and error codes are those of the API's documentation; the namespaces
// behind it are workerd's own.
//
// PUT /faults with a JSON array of {status, headers, body} makes the next calls answer that, and
// {unsuccessful: true} makes a bulk write or delete leave out its first key. PUT /limits with true
// makes it refuse a second write to a key within a second, as Workers KV does; with false, not.

const faults = [];
let limited = false;
const written = new Map(); // when each key was written last, in milliseconds

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

function envelope(result, status = 200, errors = []) {
  return Response.json({ success: errors.length === 0, errors, messages: [], result }, { status });
}

function checkCount(items, most) {
  if (!Array.isArray(items) || items.length > most) {
    throw new Refusal(400, 10024, `at most ${most} at once`);
  }
}

function isTooSoon(key) {
  const now = Date.now();
  if (limited && now - (written.get(key) ?? 0) < 1000) {
    return true;
  }
  written.set(key, now);
  return false;
}

async function changeAll(items, nameOf, change, fault) {
  const left = items.filter((item, n) => (n === 0 && fault?.unsuccessful) || isTooSoon(nameOf(item)));
  await Promise.all(items.filter((item) => !left.includes(item)).map(change));
  const done = items.length - left.length;
  return envelope({ successful_key_count: done, unsuccessful_keys: left.map(nameOf) });
}

async function existing(namespace, keys) {
  const there = new Set();
  for (let first = 0; first < keys.length; first += 100) {
    for (const [key, value] of await namespace.get(keys.slice(first, first + 100))) {
      if (value !== null) {
        there.add(key);
      }
    }
  }
  return there;
}

async function onValue(request, namespace, key) {
  if (request.method !== "GET" && isTooSoon(key)) {
    throw new Refusal(429, 10429, "too many writes to a key");
  }
  switch (request.method) {
    case "GET": {
      const value = await namespace.get(key, "arrayBuffer");
      if (value === null) {
        throw new Refusal(404, 10009, "get: 'key not found'");
      }
      return new Response(value, { headers: { "content-type": "application/octet-stream" } });
    }
    case "PUT":
      await namespace.put(key, await request.arrayBuffer());
      return envelope({});
    case "DELETE":
      await namespace.delete(key);
      return envelope({});
  }
  throw new Refusal(405, 10000, "Method not allowed");
}

async function onBulk(request, namespace, operation, fault) {
  const body = await request.json();
  switch (`${request.method} ${operation}`) {
    case "POST bulk/get": {
      checkCount(body.keys, 100);
      const values = await namespace.get(body.keys, body.type);
      return envelope({ values: Object.fromEntries(values) });
    }
    case "PUT bulk":
      checkCount(body, 10_000);
      return changeAll(
        body,
        (pair) => pair.key,
        ({ key, value, expiration_ttl: expirationTtl }) => namespace.put(key, value, { expirationTtl }),
        fault,
      );
    case "POST bulk/delete": {
      checkCount(body, 10_000);
      // A delete in workerd takes as long if there is nothing; one of Cloudflare's does not.
      const there = await existing(namespace, body);
      return changeAll(
        body,
        (key) => key,
        (key) => there.has(key) && namespace.delete(key),
        fault,
      );
    }
  }
  throw new Refusal(405, 10000, "Method not allowed");
}

// Cloudflare's wants 10 at least.
async function onKeys(namespace, query) {
  const limit = Number(query.get("limit") ?? 1000);
  if (!(limit >= 10 && limit <= 1000)) {
    throw new Refusal(400, 10029, "limit must be between 10 and 1000");
  }
  const given = { limit, prefix: query.get("prefix"), cursor: query.get("cursor") };
  const { keys, list_complete, cursor } = await namespace.list(given);
  return Response.json({
    success: true,
    errors: [],
    messages: [],
    result: keys.map(({ name, expiration }) => ({ name, expiration })),
    result_info: { count: keys.length, cursor: list_complete ? "" : cursor },
  });
}

async function answer(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/faults") {
    faults.splice(0, faults.length, ...(await request.json()));
    return envelope({});
  }
  if (pathname === "/limits") {
    limited = await request.json();
    return envelope({});
  }
  const fault = faults.shift();
  if (fault?.status) {
    return new Response(fault.body, { status: fault.status, headers: fault.headers });
  }
  const parts = /^\/client\/v4\/accounts\/([^/]*)\/storage\/kv\/namespaces\/([^/]*)\/(.*)$/.exec(
    pathname,
  );
  if (parts === null) {
    throw new Refusal(404, 7000, "No route for that URI");
  }
  const [, account, id, path] = parts;
  if (request.headers.get("authorization") !== `Bearer ${env.TOKEN}`) {
    throw new Refusal(401, 10000, "Authentication error");
  }
  if (account !== env.ACCOUNT) {
    throw new Refusal(403, 10000, "Authentication error");
  }
  const namespace = env[id];
  if (typeof namespace?.get !== "function") {
    throw new Refusal(404, 10013, "get namespace: 'namespace not found'");
  }
  if (path === "keys" && request.method === "GET") {
    return onKeys(namespace, searchParams);
  }
  const key = /^values\/([^/]+)$/.exec(path);
  return key === null
    ? onBulk(request, namespace, path, fault)
    : onValue(request, namespace, decodeURIComponent(key[1]));
}

export default {
  async fetch(request, env) {
    try {
      return await answer(request, env);
    } catch (error) {
      const { status = 400, code = 10001, message } = error;
      return envelope(null, status, [{ code, message }]);
    }
  },
};
