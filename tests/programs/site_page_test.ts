/** docs/site.md: new keys sign from their day on, and the log can be rotated. */
import assert from "node:assert/strict";
import { COUNTERSIGN } from "../admin/run.ts";
import { Page } from "../page.ts";
import { Home } from "../rig.ts";
import { need } from "./need.ts";

const page = new Page("docs/site.md");

Deno.test("docs/site.md: the new key signs from its day on", async () => {
  using home = new Home();
  const [first] = page.block(/--signs-from/).split("\n");
  const config = `${home.path}/.config/countersign/config.toml`;
  const day = new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10);
  const line = first!.replace(/^countersign/, COUNTERSIGN.map((word) => `'${word}'`).join(" "))
    .replace("/etc/countersign/config.toml", config).replace(/\d{4}-\d\d-\d\d/, day);
  const made = await home.run(["/bin/sh", "-e"], line);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const listed = await home.run([...COUNTERSIGN, "keys", "list", "--config", config]);
  assert.match(listed.stdout, new RegExp(day));
});

const test = await need("logrotate");

test("docs/site.md: logrotate rotates the log between two messages, and no line is lost", async () => {
  using home = new Home();
  const log = `${home.path}/.local/state/countersign/log`;
  const send = async (to: string) => {
    const sent = await home.shim([to], "From: greg@example.org\n\nHi.\n");
    assert.equal(sent.code, 0, sent.stderr);
  };
  await send("ann@one.example");
  const text = page.block(/weekly/).replace("/var/lib/countersign/log", log).replace(/ su .*/, " su root root");
  home.write("logrotate.conf", text);
  const argv = ["logrotate", "--force", "--state", `${home.path}/state`, `${home.path}/logrotate.conf`];
  const rotated = await home.run(argv);
  assert.deepEqual([rotated.code, rotated.stderr], [0, ""]);
  await send("ann@two.example");
  assert.match(Deno.readTextFileSync(log), /^[^\n]* to=@two\.example[^\n]*\n$/);
  const before = await home.run(["zcat", `${log}.1.gz`]);
  assert.match(before.stdout, /^[^\n]* to=@one\.example[^\n]*\n$/);
});
