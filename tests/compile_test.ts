/** build/install/compile.ts makes a working binary, or leaves none and prints one line with a fix. */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { Home, oneLine, type Ran, ROOT } from "./rig.ts";

/** Runs compile.ts in the home. */
function compile(home: Home, args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
  return home.run([...deno, `${ROOT}/build/install/compile.ts`, ...args], "", env);
}

/** The binary, and other files that deno compile may leave. */
const products = (home: Home) => [...Deno.readDirSync(home.path)].filter(({ name }) => name.startsWith("product"));

Deno.test("if the runtime cannot be downloaded, one line suggests alternatives and an earlier binary is kept", async () => {
  using home = new Home();
  // Deno's cache without its runtimes, and no network to fetch one.
  const cache = home.env["DENO_DIR"]!;
  Deno.mkdirSync(`${home.path}/cache`);
  for (const { name } of Deno.readDirSync(cache)) {
    if (name !== "dl") Deno.symlinkSync(`${cache}/${name}`, `${home.path}/cache/${name}`);
  }
  const deadProxy = "http://127.0.0.1:1";
  const offline = { HTTPS_PROXY: deadProxy, https_proxy: deadProxy, NO_PROXY: "", no_proxy: "" };
  home.write("product", "of an earlier run");
  const ran = await compile(home, ["product"], { ...offline, DENO_DIR: `${home.path}/cache` });
  oneLine(ran, 1, /^compile: Deno's runtime cannot be downloaded: .*DENORT_BIN.*deno task install/);
  assert.ok(ran.stderr.includes(`Deno ${Deno.version.deno}`), ran.stderr);
  assert.equal(ran.stdout, "");
  assert.deepEqual(products(home).map(({ name }) => name), ["product"]);
  assert.equal(home.read("product"), "of an earlier run", "the earlier binary may be in use");
});

/**
 * A program that prints the variable named by its first argument. deno compile does not accept a script as a runtime.
 */
const PRINTENV = "/usr/bin/printenv";

/** [what DENORT_BIN is, its path, its output for `version`, the error] */
const WRONG_RUNTIMES: [string, string, string, RegExp][] = [
  ["Deno itself", Deno.execPath(), "", /not countersign: it prints "error: .*: DENORT_BIN=.*deno is not the denort/],
  ["another program", PRINTENV, "other 1.0", /it prints "other 1\.0"/],
  ["another version", PRINTENV, "countersign 0", /it prints "countersign 0"/],
  ["a program without output", PRINTENV, "", /it prints ""/],
  ["nothing", "/nonexistent/denort", "", /^compile: deno compile failed: /],
];
for (const [what, denort, version, text] of WRONG_RUNTIMES) {
  Deno.test(`with ${what} as the runtime no binary is left`, async () => {
    using home = new Home();
    const ran = await compile(home, [`${home.path}/product`], { DENORT_BIN: denort, version });
    oneLine(ran, 1, text);
    assert.equal(ran.stdout, "");
    assert.deepEqual(products(home), []);
  });
}

Deno.test("a binary that prints this version is kept, and its path printed", async () => {
  using home = new Home();
  const ran = await compile(home, ["product"], { DENORT_BIN: PRINTENV, version: `countersign ${VERSION}` });
  assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, `${home.path}/product\n`, ""]);
  assert.deepEqual(products(home).map(({ name }) => name), ["product"]);
});

for (const args of [["--output", "x"], ["--frob"], ["a", "b"]]) {
  Deno.test(`compile ${args.join(" ")} is a usage error`, async () => {
    using home = new Home();
    oneLine(await compile(home, args), 64, /^compile: Unknown argument "/);
  });
}

Deno.test("compile --help prints the usage", async () => {
  using home = new Home();
  const ran = await compile(home, ["--help"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: deno task compile/);
});

/** [name of the binary, arguments, exit status, output] */
const NAMES: [string, string[], number, RegExp][] = [
  ["countersign", ["version"], 0, /^countersign \d/],
  ["countersign-linux", ["version"], 0, /^countersign \d/],
  ["countersign", ["shim", "--help"], 0, /^Usage: shim /],
  ["countersign", ["shmi"], 64, /^countersign: Unknown command "shmi"/],
  ["shim", ["--help"], 0, /^Usage: shim /],
  ["sendmail", ["--help"], 0, /^Usage: shim /],
  ["newaliases", [], 0, /^$/],
  ["incoming", ["--help"], 0, /^Usage: incoming /],
  ["doorbell", ["--as", "mutt"], 75, /^doorbell: Option --as "mutt" is not one of /],
  ["doorbell", ["release"], 78, /^doorbell: Option --service is missing: add \[\[doorbell\]\]/],
];
for (const [name, args, code, text] of NAMES) {
  Deno.test(`the binary, called as ${name} ${args.join(" ")}, prints ${text}`, async () => {
    using home = new Home();
    // A link to Deno with that name, which the module sees as its own name, as the binary does.
    Deno.symlinkSync(Deno.execPath(), `${home.path}/bin/${name}`);
    const flags = ["run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
    // A name without a path, as shells and mail programs use it.
    const line = `PATH="$HOME/bin:$PATH"; exec ${name} "$@"`;
    const argv = [...flags, `${ROOT}/build/install/compiled.ts`, ...args];
    for (const start of [["/bin/sh", "-c", line, "sh"], [`${home.path}/bin/${name}`]]) {
      const ran = await home.run([...start, ...argv]);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stdout + ran.stderr, text);
    }
  });
}
