/** What a bundled program loads late is found where the launcher lets it read little. */
import assert from "node:assert/strict";
import { bundle } from "../build/install/bundle.ts";
import { launcherText } from "../build/install/launcher.ts";
import { Home, oneLine } from "./rig.ts";

/** A server that takes no connections: what is loaded late is all that this needs. */
const SERVER = 'via = "smtp"\nhost = "127.0.0.1"\nport = 1\nsecurity = "none"\n';
const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";

Deno.test("a shim with permissions that are not wide loads its late parts", async () => {
  using home = new Home();
  home.settings(`[transport]\n${SERVER}`);
  const folder = `${home.path}/lib/shim`;
  await bundle(`${home.path}/lib`);
  const start = { program: "shim", rights: "shim", deno: "deno", entry: "$here/main.js", cache: "" };
  home.write("lib/shim/shim", launcherText({ ...start, flags: "--no-config --no-npm --no-remote" }), 0o755);
  assert.match(home.read(".config/countersign/config.sandbox"), /^shim --allow-read=/m);

  const shim = () => home.run([`${folder}/shim`, "ann@example.net"], MAIL);
  oneLine(await shim(), 75, /127\.0\.0\.1/);

  // Without them nothing is tried: it was they that knew the server.
  const [late] = [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("smtp-"));
  Deno.removeSync(`${folder}/${late!.name}`);
  oneLine(await shim(), 70, /smtp-/);
});
