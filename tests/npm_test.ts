/** The npm package: what it signs under Node verifies in Deno, and TypeScript finds its types. */
import assert from "node:assert/strict";
import { makePackage, TYPESCRIPT } from "../build/install/npm.ts";
import { prvsVerify, srsReverse, verifyTag } from "../mod.ts";
import { VERSION } from "../lib/version.ts";
import { lacking, mayFetch, tests } from "./programs/need.ts";
import { Home } from "./rig.ts";

const node = await lacking("node", "nodejs");
const test = tests(node !== "" ? node : mayFetch() ? "" : "TypeScript would have to be fetched: set CI=true");

const USE = `import { Fail, prvsSign, signTag, srsForward, srsReverse, tagNonce } from "@countersign/countersign";
const [secret, now] = ["a secret", new Date()];
const nonce = tagNonce(crypto.getRandomValues(new Uint8Array(5)));
const sender = srsForward("greg@example.org", "srs.example.org", { secrets: [secret], now });
let kind = "";
try {
  srsReverse(sender, { secrets: ["another"], now });
} catch (error) {
  kind = error instanceof Fail ? error.kind : "";
}
console.log(JSON.stringify([
  sender,
  prvsSign("greg@example.org", { secret, now }),
  signTag("greg@example.org", "<1@example.org>", { key: "k1", secret, now, nonce }),
  kind,
]));
`;

test("the package signs under Node, and its types are correct", async () => {
  using home = new Home();
  const folder = `${home.path}/node_modules/@countersign/countersign`;
  await makePackage(folder);
  const { version, files, exports, bin } = JSON.parse(Deno.readTextFileSync(`${folder}/package.json`));
  assert.equal(version, VERSION);
  for (const name of [...files, ...Object.values(exports["."])]) assert.ok(Deno.statSync(`${folder}/${name}`), name);

  home.write("package.json", `{ "type": "module" }`);
  const use = home.write("use.ts", USE);
  // Node may be anywhere on PATH.
  const ran = await home.run(["node", home.write("use.js", USE)], "", { PATH: Deno.env.get("PATH")! });
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const [srs, prvs, tag, kind] = JSON.parse(ran.stdout);
  assert.equal(srsReverse(srs, { secrets: ["a secret"], now: new Date() }), "greg@example.org");
  assert.equal(prvsVerify(prvs, { secrets: { 0: "a secret" }, now: new Date() }), "greg@example.org");
  verifyTag(tag, "greg@example.org", "<1@example.org>", { secrets: { k1: "a secret" }, now: new Date() });
  assert.equal(kind, "hash-invalid");

  // npm also installs the package deno; here it is replaced by one that runs this Deno.
  home.write("node_modules/deno/package.json", `{ "name": "deno", "version": "0.0.0" }`);
  home.write(
    "node_modules/deno/bin.cjs",
    `const { status } = require("node:child_process").spawnSync(${
      JSON.stringify(Deno.execPath())
    }, process.argv.slice(2), { stdio: "inherit" });\nprocess.exit(status);\n`,
  );
  const cli = (...args: string[]) =>
    home.run(["node", `${folder}/${bin.countersign}`, ...args], "", { PATH: Deno.env.get("PATH")! });
  const printed = await cli("version");
  assert.deepEqual([printed.code, printed.stdout], [0, `countersign ${VERSION}\n`], printed.stderr);
  assert.match((await cli("doctr")).stderr, /Unknown command "doctr"[^\n]*doctor/);
  assert.equal((await cli("doctr")).code, 64);

  const tsc = [Deno.execPath(), "run", "-q", "-A", "--no-lock", "--no-config", TYPESCRIPT];
  const options = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"];
  const types = await home.run([...tsc, ...options, use]);
  assert.deepEqual([types.code, types.stdout], [0, ""]);
  const wrong = home.write("wrong.ts", USE.replace("{ secrets: [secret], now }", "{ secrets: 1, now }"));
  assert.match((await home.run([...tsc, ...options, wrong])).stdout, /^wrong\.ts\(4,\d+\): error TS2322: /);
});
