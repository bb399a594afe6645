/** The npm package, made and used: Node signs what Deno verifies, and a compiler finds the types. */
import assert from "node:assert/strict";
import { makePackage, TYPESCRIPT } from "../build/install/npm.ts";
import { prvsVerify, srsReverse, verifyTag } from "../mod.ts";
import { VERSION } from "../lib/version.ts";
import { lacking, mayFetch, tests } from "./programs/need.ts";
import { Home } from "./rig.ts";

const node = await lacking("node", "nodejs");
const test = tests(node !== "" ? node : mayFetch() ? "" : "TypeScript would have to be fetched: set CI=true");

const USE = `import { Fail, prvsSign, signTag, srsForward, srsReverse } from "@countersign/countersign";
const secret = "a secret";
const sender = await srsForward("greg@example.org", "srs.example.org", { secrets: [secret] });
let kind = "";
try {
  await srsReverse(sender, { secrets: ["another"] });
} catch (error) {
  kind = error instanceof Fail ? error.kind : "";
}
console.log(JSON.stringify([
  sender,
  await prvsSign("greg@example.org", { secret }),
  await signTag("greg@example.org", "<1@example.org>", { key: "k1", secret }),
  kind,
]));
`;

test("the package signs under Node, and its types hold", async () => {
  using home = new Home();
  const folder = `${home.path}/node_modules/@countersign/countersign`;
  await makePackage(folder);
  const { version, files, exports } = JSON.parse(Deno.readTextFileSync(`${folder}/package.json`));
  assert.equal(version, VERSION);
  for (const name of [...files, ...Object.values(exports["."])]) assert.ok(Deno.statSync(`${folder}/${name}`), name);

  home.write("package.json", `{ "type": "module" }`);
  const use = home.write("use.ts", USE);
  // Node may stand anywhere on PATH.
  const ran = await home.run(["node", home.write("use.js", USE)], "", { PATH: Deno.env.get("PATH")! });
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const [srs, prvs, tag, kind] = JSON.parse(ran.stdout);
  assert.equal(await srsReverse(srs, { secrets: ["a secret"] }), "greg@example.org");
  assert.equal(await prvsVerify(prvs, { secrets: { 0: "a secret" } }), "greg@example.org");
  await verifyTag(tag, "greg@example.org", "<1@example.org>", { secrets: { k1: "a secret" } });
  assert.equal(kind, "hash-invalid");

  const tsc = [Deno.execPath(), "run", "-q", "-A", "--no-lock", "--no-config", TYPESCRIPT];
  const options = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"];
  const types = await home.run([...tsc, ...options, use]);
  assert.deepEqual([types.code, types.stdout], [0, ""]);
  const wrong = home.write("wrong.ts", USE.replace("{ secrets: [secret] }", "{ secrets: 1 }"));
  assert.match((await home.run([...tsc, ...options, wrong])).stdout, /^wrong\.ts\(3,\d+\): error TS2322: /);
});
