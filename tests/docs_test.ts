/** The documents agree with the code. */
import assert from "node:assert/strict";
import { BEGIN, END, settingsTable, withTable } from "../build/docs/settings.ts";
import { parseConfig } from "../lib/settings/parse.ts";
import { SETTINGS } from "../lib/settings/schema.ts";
import { VERSION } from "../lib/version.ts";
import { COUNTERSIGN } from "./admin/run.ts";
import { Home, ROOT } from "./rig.ts";
import { stub, stubArguments } from "./stub.ts";

Deno.test("deno.json and the programs have the same version", () => {
  assert.equal(JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)).version, VERSION);
});

Deno.test("the table of settings has a row for every setting, with its default", () => {
  const rows = settingsTable().split("\n").filter((line) => line.startsWith("| `"));
  assert.equal(rows.length, SETTINGS.length);
  for (const [at, { name, fallback, help }] of SETTINGS.entries()) {
    const [, first, value, standard, meaning] = rows[at]!.split(/(?<!\\)\|/).map((cell) => cell.trim());
    assert.equal(first, `\`${name}\``);
    assert.notEqual(value, "");
    const expected = fallback === undefined ? "must be given" : fallback === "" ? "none" : JSON.stringify(fallback);
    assert.equal(standard!.replaceAll("`", ""), expected, name);
    assert.equal(meaning!.replaceAll("\\|", "|"), help, name);
  }
});

Deno.test("README.md has the current table of settings", () => {
  const readme = Deno.readTextFileSync(`${ROOT}/README.md`);
  assert.ok(readme === withTable(readme), "The table is out of date; run: deno run -A build/docs/settings.ts");
});

Deno.test("the table is replaced between its markers, and nothing else", () => {
  const text = `before\n${BEGIN}\nTHE OLD ONE\n${END}\nafter\n`;
  const once = withTable(text);
  assert.ok(once.startsWith(`before\n${BEGIN}\n`) && once.endsWith(`\n${END}\nafter\n`), once);
  assert.ok(!once.includes("THE OLD ONE"));
  assert.equal(withTable(once), once);
  for (const wrong of ["", BEGIN, END, `${END}\n${BEGIN}`]) {
    assert.throws(() => withTable(wrong), /No <!-- settings -->/);
  }
});

Deno.test("deno fmt does not change the table", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "--line-width", "120", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const text = withTable(`# Settings\n\n${BEGIN}\n${END}\n\nMore.\n`);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  assert.equal(new TextDecoder().decode(stdout), text);
});

/** The README and its fenced blocks in order, without their indentation. */
function readme(): { text: string; blocks: { at: number; text: string }[] } {
  const text = Deno.readTextFileSync(`${ROOT}/README.md`);
  const blocks = [...text.matchAll(/^( *)```\w*\n([^]*?)^\1```$/gm)].map((found) => {
    const [, indent, block] = found as unknown as [string, string, string];
    return { at: found.index, text: block.replace(new RegExp(`^${indent}`, "gm"), "") };
  });
  return { text, blocks };
}

/** The only block that matches this pattern. */
function block(pattern: RegExp): string {
  const found = readme().blocks.filter(({ text }) => pattern.test(text));
  assert.equal(found.length, 1, `${found.length} blocks with ${pattern}`);
  return found[0]!.text;
}

/** A file of contrib/ without comments and empty lines. */
const snippet = (name: string) =>
  Deno.readTextFileSync(`${ROOT}/contrib/${name}`).split("\n").filter((line) => !/^(#|$)/.test(line)).join("\n") + "\n";

Deno.test("README's dot-qmail lines are those of contrib/qmail", () => {
  const lines = block(/^\|.*\/incoming$/m);
  for (const name of [".qmail", ".qmail-srs-default"]) assert.equal(lines, snippet(`qmail/greg/${name}`));
  assert.ok(block(/control\/virtualdomains/).includes(`echo ${snippet("qmail/virtualdomains").trim()} >> `));
});

Deno.test("README's line for mutt is that of contrib/mutt", () => {
  const line = block(/^set sendmail/m);
  assert.equal(line.trim().split("\n").length, 1);
  assert.ok(snippet("mutt/muttrc").split("\n").includes(line.trim()), line);
});

Deno.test("README's first step makes settings and a key with which the shim signs", async () => {
  using home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  home.write("bin/countersign", `#!/bin/sh\nexec ${COUNTERSIGN.map((word) => `'${word}'`).join(" ")} "$@"\n`, 0o755);
  const made = await home.run(["/bin/sh", "-e"], block(/^countersign init/m));
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const folder = `${home.path}/.config/countersign`;
  const names = ["config.sandbox", "config.toml", "keys", "plain-lists"];
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), names);

  const source = { file: `${folder}/config.toml`, home: home.path };
  const { transport, incoming } = parseConfig(Deno.readTextFileSync(source.file), source);
  assert.deepEqual(
    [transport.preset, transport.command, incoming.spam],
    ["qmail-inject", ["/var/qmail/bin/qmail-inject"], `${home.path}/Maildir/.Spam`],
  );
  // A stub replaces qmail-inject.
  const text = Deno.readTextFileSync(source.file);
  home.write(".config/countersign/config.toml", text.replace(/^command = .*$/m, `command = ["${stub(home)}"]`));
  const sent = await home.shim(["ann@example.net"], "From: greg@example.org\n\nHi.\n");
  assert.deepEqual(sent, { code: 0, stdout: "", stderr: "" });
  const [a, f, sender, ...rest] = stubArguments(home);
  assert.deepEqual([a, f, rest], ["-a", "-f", ["--", "ann@example.net"]]);
  assert.match(sender!, /^SRS0=[\w-]{8}=..=example\.org=greg@srs\.example\.org$/);
});

Deno.test("the demo shows a sent message, its bounce and a forged bounce", async () => {
  using home = new Home();
  const argv = [Deno.execPath(), "run", "-q", "--frozen", "-A", `--config=${ROOT}/deno.json`];
  const ran = await home.run([...argv, `${ROOT}/build/demo.ts`]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, "");
  assert.deepEqual(ran.stdout.match(/^[1-9]\. (?:Outgoing|Incoming): /gm), [
    "1. Outgoing: ",
    "2. Incoming: ",
    "3. Incoming: ",
  ]);
  const [, out = "", back = "", forgery = ""] = ran.stdout.split(/^[1-3]\. /m);
  assert.match(out, /^ {5}Return-Path: <SRS0=\S+@srs\.example\.org>\n {5}X-Msgauth: v1\.k1\.\S+$/m);
  assert.match(back, /inbox, Maildir\/new:\n {5}Subject: failure notice$/m);
  assert.match(forgery, /^ {5}X-Countersign: forged; check=forged; /m);
  const log = forgery.split("The log:\n")[1]!.trimEnd().split("\n");
  assert.deepEqual(log.map((line) => /result=(\w+)/.exec(line)?.[1]), ["sent", "genuine", "forged"]);
});

Deno.test("every test that SECURITY.md names exists", () => {
  const text = Deno.readTextFileSync(`${ROOT}/SECURITY.md`);
  const files = new Set([...text.matchAll(/\btests\/[\w/]+\.ts\b/g)].map(([file]) => file));
  assert.ok(files.size > 10);
  assert.deepEqual([...files].filter((file) => !Deno.statSync(`${ROOT}/${file}`).isFile), []);
});
