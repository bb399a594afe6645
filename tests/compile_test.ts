/** build/install/compile.ts: what is left is ours, or nothing is left and one line says what to do. */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { Home, oneLine, type Ran, ROOT } from "./rig.ts";

/** Compiles to this file of the home. */
function compile(home: Home, args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
  return home.run([...deno, `${ROOT}/build/install/compile.ts`, ...args], "", env);
}

/** The product, and what deno compile may leave beside it. */
const products = (home: Home) => [...Deno.readDirSync(home.path)].filter(({ name }) => name.startsWith("product"));

Deno.test("a runtime that cannot be downloaded: one line says what to do", async () => {
  using home = new Home();
  // Deno's cache without the runtimes in it, and no way to fetch one.
  const cache = home.env["DENO_DIR"]!;
  Deno.mkdirSync(`${home.path}/cache`);
  for (const { name } of Deno.readDirSync(cache)) {
    if (name !== "dl") Deno.symlinkSync(`${cache}/${name}`, `${home.path}/cache/${name}`);
  }
  const nowhere = "http://127.0.0.1:1";
  const closed = { HTTPS_PROXY: nowhere, https_proxy: nowhere, NO_PROXY: "", no_proxy: "" };
  home.write("product", "of a former run");
  const ran = await compile(home, ["product"], { ...closed, DENO_DIR: `${home.path}/cache` });
  oneLine(ran, 1, /^compile: Deno's runtime cannot be downloaded: .*DENORT_BIN.*deno task install/);
  assert.ok(ran.stderr.includes(`Deno ${Deno.version.deno}`), ran.stderr);
  assert.equal(ran.stdout, "");
  assert.deepEqual(products(home).map(({ name }) => name), ["product"]);
  assert.equal(home.read("product"), "of a former run", "it works, and mail may be under way");
});

/** A program that says what the variable named by its first word says; deno compile takes no script for a runtime. */
const SAYS = "/usr/bin/printenv";

/** [what stands in the place of Deno's runtime, which is this, what the environment says, what the line says of it] */
const FALSE: [string, string, string, RegExp][] = [
  ["Deno itself", Deno.execPath(), "", /not countersign: it prints "error: .*: DENORT_BIN=.*deno is not the denort/],
  ["another program", SAYS, "other 1.0", /it prints "other 1\.0"/],
  ["another version", SAYS, "countersign 0", /it prints "countersign 0"/],
  ["what says nothing", SAYS, "", /it prints ""/],
  ["nothing", "/nonexistent/denort", "", /^compile: deno compile failed: /],
];
for (const [what, denort, version, text] of FALSE) {
  Deno.test(`with ${what} for a runtime nothing is left`, async () => {
    using home = new Home();
    const ran = await compile(home, [`${home.path}/product`], { DENORT_BIN: denort, version });
    oneLine(ran, 1, text);
    assert.equal(ran.stdout, "");
    assert.deepEqual(products(home), []);
  });
}

Deno.test("what says that it is this version is left, and its place is told", async () => {
  using home = new Home();
  const ran = await compile(home, ["product"], { DENORT_BIN: SAYS, version: `countersign ${VERSION}` });
  assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, `${home.path}/product\n`, ""]);
  assert.deepEqual(products(home).map(({ name }) => name), ["product"]);
});

for (const args of [["--output", "x"], ["--frob"], ["a", "b"]]) {
  Deno.test(`compile ${args.join(" ")} is one line and 64`, async () => {
    using home = new Home();
    oneLine(await compile(home, args), 64, /^compile: Unknown argument "/);
  });
}

Deno.test("compile --help says how it is used", async () => {
  using home = new Home();
  const ran = await compile(home, ["--help"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: deno task compile/);
});

/** [what the binary is called by, with these arguments, says this] */
const NAMES: [string, string[], number, RegExp][] = [
  ["countersign", ["version"], 0, /^countersign \d/],
  ["countersign-linux", ["version"], 0, /^countersign \d/],
  ["countersign", ["shim", "--help"], 0, /^Usage: shim /],
  ["countersign", ["shmi"], 64, /^countersign: Unknown command "shmi"/],
  ["shim", ["--help"], 0, /^Usage: shim /],
  ["sendmail", ["--help"], 0, /^Usage: shim /],
  ["newaliases", [], 64, /^newaliases: There are no aliases/],
  ["incoming", ["--help"], 0, /^Usage: incoming /],
];
for (const [name, args, code, text] of NAMES) {
  Deno.test(`what is compiled, called ${name} ${args.join(" ")}, says ${text}`, async () => {
    using home = new Home();
    // Deno by that name: the module sees what it was called by, as the binary does.
    Deno.symlinkSync(Deno.execPath(), `${home.path}/bin/${name}`);
    const flags = ["run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
    const line = `PATH="$HOME/bin:$PATH"; exec ${name} "$@"`; // a bare name, as a shell or a mail program has it
    const argv = [...flags, `${ROOT}/build/install/compiled.ts`, ...args];
    for (const start of [["/bin/sh", "-c", line, "sh"], [`${home.path}/bin/${name}`]]) {
      const ran = await home.run([...start, ...argv]);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stdout + ran.stderr, text);
    }
  });
}
