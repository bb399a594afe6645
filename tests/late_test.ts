/** A bundled program can load its lazy modules with the few read permissions that the launcher gives it. */
import assert from "node:assert/strict";
import { launcherText } from "../build/install/launcher.ts";
import { installOnce } from "./programs/installation.ts";
import { Home, oneLine } from "./rig.ts";

/** A server that accepts no connections: the test only needs that the SMTP module is loaded. */
const SERVER = 'via = "smtp"\nhost = "127.0.0.1"\nport = 1\nsecurity = "none"\n';
const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";

/** Copies the files of the bundled shim. */
async function copyBundle(folder: string): Promise<void> {
  const bundled = `${await installOnce()}/prefix/lib/countersign/shim`;
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(bundled)) Deno.copyFileSync(`${bundled}/${name}`, `${folder}/${name}`);
}

Deno.test("a bundled shim loads its lazy modules under the sandbox's permissions", async () => {
  using home = new Home();
  home.settings(`[transport]\n${SERVER}`);
  const folder = `${home.path}/lib/shim`;
  await copyBundle(folder);
  const start = { program: "shim", rights: "shim", deno: "deno", entry: "$here/main.js", cache: "" };
  home.write("lib/shim/shim", launcherText({ ...start, flags: "--no-config --no-npm --no-remote" }), 0o755);
  assert.match(home.read(".config/countersign/config.sandbox"), /^shim --allow-read=/m);

  const shim = () => home.run([`${folder}/shim`, "ann@example.net"], MAIL);
  oneLine(await shim(), 75, /127\.0\.0\.1/);

  // Without the module the error is another one, so it was the module that tried the server.
  const [module] = [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("smtp-"));
  Deno.removeSync(`${folder}/${module!.name}`);
  oneLine(await shim(), 70, /smtp-/);
});

Deno.test("nothing of the outbox is loaded unless a message needs it, and a bundled shim can load it", async () => {
  using home = new Home();
  const folder = `${home.path}/lib/shim`;
  await copyBundle(folder);
  const start = { program: "shim", rights: "shim", deno: "deno", entry: "$here/main.js", cache: "" };
  home.write("lib/shim/shim", launcherText({ ...start, flags: "--no-config --no-npm --no-remote" }), 0o755);
  const shim = (...args: string[]) => home.run([`${folder}/shim`, ...args], MAIL);
  home.settings(`[transport]\n${SERVER}[outbox]\nwhen = "failed"\n`);
  assert.deepEqual(await shim("ann@example.net"), { code: 0, stdout: "", stderr: "" });
  assert.match((await shim("-bp")).stdout, /ann@example\.net/);
  assert.deepEqual(await shim("-q"), { code: 0, stdout: "", stderr: "" });

  // Without these modules mail leaves as before where there is no outbox.
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const late = names.filter((name) => /^(?:queue|send_or_keep|context|run)-/.test(name));
  assert.ok(late.length >= 2, names.join());
  for (const name of late) Deno.removeSync(`${folder}/${name}`);
  assert.deepEqual(await shim("ann@example.net"), { code: 0, stdout: "", stderr: "" });
  assert.equal(home.mails("out").length, 1);
});
