/** The npm package: what it signs under Node verifies in Deno, and TypeScript finds its types. */
import assert from "node:assert/strict";
import { makePackage, TYPESCRIPT } from "../build/install/npm.ts";
import { prvsVerify, srsReverse, verifyTag } from "../mod.ts";
import { VERSION } from "../lib/version.ts";
import { lacking, mayFetch, tests } from "./programs/need.ts";
import { fieldOf, Home, qsbmf } from "./rig.ts";

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

test("the package signs under Node, its types are correct, and its commands run", async (t) => {
  using home = new Home();
  const folder = `${home.path}/node_modules/@countersign/countersign`;
  await makePackage(folder);
  const { version, files, exports } = JSON.parse(Deno.readTextFileSync(`${folder}/package.json`));
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

  const tsc = [Deno.execPath(), "run", "-q", "-A", "--no-lock", "--no-config", TYPESCRIPT];
  const options = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext"];
  const types = await home.run([...tsc, ...options, use]);
  assert.deepEqual([types.code, types.stdout], [0, ""]);
  const wrong = home.write("wrong.ts", USE.replace("{ secrets: [secret], now }", "{ secrets: 1, now }"));
  assert.match((await home.run([...tsc, ...options, wrong])).stdout, /^wrong\.ts\(4,\d+\): error TS2322: /);

  await t.step("npm installs the commands, which find the Deno that it installs", () => testCommands(home, folder));
});

/** npm installs the commands, which find the Deno that it installs. */
async function testCommands(home: Home, folder: string): Promise<void> {
  const path = `${home.path}/bin:${Deno.env.get("PATH")!}`;
  const prefix = `${home.path}/global`;
  Deno.removeSync(`${home.path}/bin/deno`); // the one of the tests
  // npm's cache may already have Deno, as after `npx deno`.
  const npm = (...args: string[]) =>
    home.run(["npm", ...args, "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier"], "", {
      PATH: path,
      npm_config_cache: Deno.env.get("npm_config_cache") ?? `${Deno.env.get("HOME")}/.npm`,
    });
  const packed = await npm("pack", folder, "--pack-destination", home.path, "--json");
  assert.equal(packed.code, 0, packed.stderr);
  const [{ filename }] = JSON.parse(packed.stdout);
  const installed = await npm("install", "--global", "--prefix", prefix, `${home.path}/${filename}`);
  assert.equal(installed.code, 0, installed.stderr);
  assert.deepEqual(
    [...Deno.readDirSync(`${prefix}/bin`)].map(({ name }) => name).filter((name) => name !== "deno").sort(),
    [
      "countersign",
      "countersign-shim",
    ],
  );

  // No Deno is on PATH.
  const env = { PATH: "/usr/bin:/bin" };
  const printed = await home.run([`${prefix}/bin/countersign`, "version"], "", env);
  assert.deepEqual(printed, { code: 0, stdout: `countersign ${VERSION}\n`, stderr: "" });
  const wrong = await home.run([`${prefix}/bin/countersign`, "doctr"], "", env);
  assert.match(wrong.stderr, /Unknown command "doctr"[^\n]*doctor/);
  assert.equal(wrong.code, 64);
  const mail = "From: greg@example.org\nTo: ann@example.net\nSubject: Lunch?\n\nAt one?\n";
  const sent = await home.run([`${prefix}/bin/countersign-shim`, "--", "ann@example.net"], mail, env);
  assert.deepEqual(sent, { code: 0, stdout: "", stderr: "" });
  const [signed] = home.mails("out");
  const sender = fieldOf(signed!, "Return-Path").replace(/[<>]/g, "");
  assert.match(sender, /^SRS0=/);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/spam"\n`);
  const judge = async (message: string, recipient: string) =>
    (await home.run(
      [`${prefix}/bin/countersign`, "incoming", "--as", "maildrop", "--maildir", `${home.path}/in`],
      message,
      {
        ...env,
        SENDER: "",
        RECIPIENT: recipient,
      },
    )).code;
  assert.deepEqual([await judge(qsbmf(sender, signed!), sender), home.mails("in").length], [0, 1]);
  assert.deepEqual([await judge(qsbmf("greg@example.org", mail), "greg@example.org"), home.mails("spam").length], [
    0,
    1,
  ]);
}
