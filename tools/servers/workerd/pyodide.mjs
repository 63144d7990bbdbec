// Runs a Python program in Pyodide, as Python Workers do, with `binding`, a KV namespace of
// workerd: node pyodide.mjs '{"pyodide": ..., "sources": [...], "program": "..."}'

import { Miniflare } from "miniflare";

const { pyodide: name, sources, program } = JSON.parse(process.argv[2]);
const { loadPyodide } = await import(name);

const miniflare = new Miniflare({
  modules: true,
  script: "export default {};",
  compatibilityDate: "2026-04-01",
  kvNamespaces: { KV: "kv" },
  kvPersist: false,
  cf: false, // it is fetched from the network otherwise
  telemetry: { enabled: false },
});
let status = 0;
try {
  const python = await loadPyodide();
  for (const [number, source] of sources.entries()) {
    const folder = `/sources/${number}`;
    python.FS.mkdirTree(folder);
    python.mountNodeFS(folder, source);
    python.runPython("import sys; sys.path.append(folder)", {
      locals: python.toPy({ folder }),
    });
  }
  python.globals.set("binding", await miniflare.getKVNamespace("KV"));
  await python.runPythonAsync(program);
} catch (error) {
  console.error(error);
  status = 1;
} finally {
  await miniflare.dispose();
}
process.exit(status);
