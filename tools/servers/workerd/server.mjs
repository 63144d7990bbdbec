// Runs api.mjs in workerd, with real KV namespaces: node server.mjs '{"port": ..., ...}'

import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";

const { port, directory, account, token, namespaces } = JSON.parse(process.argv[2]);

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port,
  modules: true,
  script: readFileSync(new URL("api.mjs", import.meta.url), "utf8"),
  compatibilityDate: "2026-04-01",
  kvNamespaces: Object.fromEntries(namespaces.map((id) => [id, id])),
  kvPersist: directory,
  bindings: { ACCOUNT: account, TOKEN: token },
  cf: false, // it is fetched from the network otherwise
  telemetry: { enabled: false },
});
await miniflare.ready;
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, async () => {
    await miniflare.dispose();
    process.exit(0);
  });
}
