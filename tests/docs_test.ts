/** The documents agree with the code. */
import assert from "node:assert/strict";
import { BEGIN, END, settingsTable, withTable } from "../build/docs/settings.ts";
import { SETTINGS } from "../lib/settings/schema.ts";
import { VERSION } from "../lib/version.ts";
import { Page } from "./page.ts";
import { Home, qsbmf, ROOT } from "./rig.ts";

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

Deno.test("docs/settings.md has the current table", () => {
  const page = Deno.readTextFileSync(`${ROOT}/docs/settings.md`);
  assert.ok(page === withTable(page), "The table is out of date; run: deno run -A build/docs/settings.ts");
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

const page = new Page("docs/mutt-qmail.md");
const postfix = new Page("docs/mutt-postfix.md");
const readme = new Page("README.md");

Deno.test("README's first command counts backscatter with permission to read only", async () => {
  using home = new Home();
  for (const part of ["cur", "new", "tmp"]) Deno.mkdirSync(`${home.path}/Maildir/.Sent/${part}`, { recursive: true });
  for (const part of ["cur", "new", "tmp"]) Deno.mkdirSync(`${home.path}/Maildir/${part}`, { recursive: true });
  const id = "<1.greg@example.org>";
  home.write("Maildir/.Sent/cur/1", `Message-ID: ${id}\nFrom: greg@example.org\nTo: ann@example.net\n\nHi.\n`);
  const sent = `Message-ID: ${id}\nFrom: greg@example.org\nTo: nobody@example.net\n\nHi.\n`;
  const forged = "Message-ID: <2@example.net>\nFrom: greg@example.org\n\nBuy.\n";
  for (const [name, text] of [["1", sent], ["2", forged], ["3", forged]] as const) {
    home.write(`Maildir/new/${name}`, `Return-Path: <>\n${qsbmf("greg@example.org", text)}`);
  }
  const command = readme.block(/countersign audit/);
  assert.match(command, /^npx -y deno@[\d.]+ run --allow-read --allow-env main\.ts countersign audit /);
  const line = command.replace(/^npx -y deno@\S+/, `cd '${ROOT}' && '${Deno.execPath()}'`);
  const ran = await home.run(["/bin/sh", "-e"], line);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /3 bounces to your addresses: 0 verified by a signature, 1 known by a Message-ID, 2 not/);
});

Deno.test("README's five lines: the shim in mutt, and the hook above the line that delivers", async () => {
  const lines = readme.block(/set sendmail/).split("\n").map((line) => line.replace(/ +# .*/, ""));
  assert.equal(lines.filter((line) => line !== "").length, 5);
  assert.match(lines[0]!, /^npx -y deno@[\d.]+ task install --prefix \/usr\/local$/);
  assert.equal(lines[1], "countersign init");
  for (const before of [undefined, "", "./Maildir/\n"]) {
    using home = new Home();
    if (before !== undefined) home.write(".qmail", before);
    const ran = await home.run(["/bin/sh", "-e"], lines.slice(2).join("\n"));
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    assert.ok(snippet("mutt/muttrc").includes(home.read(".muttrc")));
    assert.equal(home.read(".qmail"), snippet("qmail/greg/.qmail"));
  }
});

/** A file of contrib/ without comments and empty lines. */
const snippet = (name: string) =>
  Deno.readTextFileSync(`${ROOT}/contrib/${name}`).split("\n").filter((line) => !/^(#|$)/.test(line)).join("\n") + "\n";

Deno.test("docs/mutt-qmail.md has the dot-qmail lines of contrib/qmail", () => {
  const lines = page.block(/^\|.*\/incoming$/m);
  for (const name of [".qmail", ".qmail-srs-default"]) assert.equal(lines, snippet(`qmail/greg/${name}`));
  assert.ok(page.block(/control\/virtualdomains/).includes(`echo ${snippet("qmail/virtualdomains").trim()} >> `));
});

Deno.test("docs/mutt-postfix.md has the lines of contrib/postfix", () => {
  for (const [name, first] of [["pipe/main.cf", /^relay_domains/], ["pipe/master.cf", /^countersign unix/]] as const) {
    assert.equal(postfix.block(first), snippet(`postfix/${name}`));
  }
  assert.equal(postfix.block(/^"\|/), snippet("postfix/local/forward"));
});

Deno.test("the pages for mutt have the line of contrib/mutt", () => {
  for (const one of [page, postfix]) {
    const line = one.block(/^set sendmail/m);
    assert.equal(line.trim().split("\n").length, 1);
    assert.ok(snippet("mutt/muttrc").split("\n").includes(line.trim()), line);
  }
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
  const named = [...text.matchAll(/(\btests\/[\w/]+\.ts) \("([^"]+)"\)/g)];
  assert.ok(named.length > 2);
  for (const [, file, name] of named) assert.ok(Deno.readTextFileSync(`${ROOT}/${file}`).includes(name!), name);
});
