/** The snippets are those of contrib/, and filling them in replaces all examples. */
import assert from "node:assert/strict";
import { pastesIn, pastesOut, type SnippetValues } from "../../admin/paste.ts";
import { snippetsModule } from "../../build/docs/snippets.ts";
import { ROOT } from "../rig.ts";

Deno.test("admin/snippets.ts is up to date with contrib/", async () => {
  const text = Deno.readTextFileSync(`${ROOT}/admin/snippets.ts`);
  assert.equal(text, await snippetsModule(), "run build/docs/snippets.ts");
});

const MAILERS = ["mutt", "neomutt", "aerc", "alpine", "s-nail", "nmh", "git"];
const FETCHERS = ["mbsync", "fetchmail", "getmail", "fdm"];
const IN = ["qmail-inject", "postfix", "maildrop", "procmail"];
const filling: SnippetValues = {
  shim: "/opt/c/bin/shim",
  hook: "/opt/c/lib/countersign/hooks/incoming",
  countersign: "/opt/c/bin/countersign",
  config: undefined,
  home: "/home/ann",
  mailbox: { maildir: "/home/ann/Maildir" },
  user: "ann",
  address: "ann@example.com",
  srsDomain: "bounce.example.com",
  challenges: false,
};
const lines = (text: string) => text.split("\n").filter((line) => !/^\s*#/.test(line)).join("\n");

Deno.test("all examples are replaced", () => {
  const pastes = [...pastesOut([...MAILERS, "exim"], filling), ...pastesIn([...IN, ...FETCHERS], filling)];
  assert.ok(pastes.length > MAILERS.length + IN.length + FETCHERS.length);
  for (const { into, text } of pastes) {
    assert.doesNotMatch(text, /usr\/local\/(?:bin|lib\/countersign)|\/home\/greg|greg@|user=greg|greg-srs/, into);
    assert.doesNotMatch(lines(text), /greg|example\.org/i, into);
  }
});

Deno.test("snippets for mail programs have the shim, those for filters the hook", () => {
  for (const name of MAILERS) {
    const [paste, ...more] = pastesOut([name], filling);
    assert.ok(lines(paste!.text).includes(filling.shim), name);
    assert.deepEqual(more, []);
  }
  for (const name of ["qmail-inject", "postfix", "maildrop", "procmail"]) {
    assert.ok(pastesIn([name], filling).some(({ text }) => lines(text).includes(filling.hook)), name);
  }
  assert.deepEqual(pastesIn(["msmtp", "sendmail", "exim"], filling), []);
  assert.deepEqual(pastesOut(["msmtp", "sendmail", "qmail-inject"], filling), []);
});

Deno.test("snippets for programs that fetch mail have the hook, or sweep, and the settings file", () => {
  const texts = (config: string | undefined) =>
    Object.fromEntries(FETCHERS.map((name) => [name, pastesIn([name], { ...filling, config })[0]!.text]));
  const usual = texts(undefined);
  assert.match(usual["mbsync"]!, /^\/opt\/c\/bin\/countersign sweep --quiet "\$HOME\/Mail\/Inbox"$/m);
  const hook = `${filling.hook} --as postfix --maildir /home/ann/Maildir"`;
  assert.equal(usual["fetchmail"], `  mda "${hook}`);
  assert.ok(usual["fdm"]!.includes(`pipe "${hook}\n`));
  const args = '("--as", "postfix", "--recipient", "ann@example.com", "--maildir", "/home/ann/Maildir")';
  assert.ok(usual["getmail"]!.endsWith(`path = ${filling.hook}\narguments = ${args}`), usual["getmail"]);
  const elsewhere = texts("/srv/c.toml");
  for (const name of ["mbsync", "fetchmail", "fdm"]) assert.match(elsewhere[name]!, / --config \/srv\/c\.toml /, name);
  const named = args.replace("(", '("--config", "/srv/c.toml", ');
  assert.ok(elsewhere["getmail"]!.endsWith(`path = ${filling.hook}\narguments = ${named}`));
});

Deno.test("if the mailbox is an mbox, the hook delivers to it", () => {
  const mbox = { ...filling, mailbox: { mbox: "/var/mail/ann" } };
  for (const { into, text } of pastesIn(["postfix", "fetchmail", "getmail", "fdm"], mbox)) {
    assert.doesNotMatch(text, /maildir/i, into);
    if (text.includes(filling.hook)) assert.match(text, /--mbox(?: |", ")\/var\/mail\/ann\b/, into);
  }
});

Deno.test("if challenges are answered, the hook gets ordinary mail, too", () => {
  for (const name of ["maildrop", "procmail"]) {
    const [usual, all] = [false, true].map((challenges) => pastesIn([name], { ...filling, challenges })[0]!.text);
    assert.match(usual!, /^ *COUNTERSIGN_HOOK=(?:0|no)$/m);
    assert.equal(lines(all!).match(/COUNTERSIGN_HOOK=.*/g)?.length, 1);
    assert.doesNotMatch(all!, /ordinary|COUNTERSIGN_(?:SENDER|RECIPIENT)/i);
    assert.ok(usual!.includes(all!.slice(all!.indexOf("incoming --as"))), "the rest is the same");
  }
});

Deno.test("without an SRS domain its snippets are omitted", () => {
  const whole = pastesIn(IN, filling);
  const less = pastesIn(IN, { ...filling, srsDomain: "" });
  assert.deepEqual(whole.length - less.length, 4); // virtualdomains, .qmail-srs-default, main.cf, master.cf
  assert.ok(whole.some(({ text }) => text.includes(filling.srsDomain)));
  for (const { into, text } of less) assert.doesNotMatch(text, /srs(?!\[01\])|countersign unix/, into);
});

Deno.test("a settings file elsewhere is mentioned once for each program", () => {
  const elsewhere = { ...filling, config: "/srv/c.toml" };
  const [variable, ...out] = pastesOut(["mutt"], elsewhere);
  assert.equal(variable!.text, "export COUNTERSIGN_CONFIG='/srv/c.toml'");
  assert.deepEqual(out, pastesOut(["mutt"], filling));
  const hooks = pastesIn(IN, elsewhere).map(({ text }) => lines(text)).filter((text) => text.includes(filling.hook));
  assert.equal(hooks.length, 6);
  for (const text of hooks) {
    for (const call of text.split(filling.hook).slice(1)) {
      assert.deepEqual(call.match(/--config \S+/g), ["--config /srv/c.toml"], text);
    }
  }
});

Deno.test("the hook of a site is that of contrib/postfix/pipe with another user, other settings and --forward", () => {
  const read = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/postfix/${name}`);
  const service = read("pipe/master.cf").replace(/^#.*\n/gm, "")
    .replace("user=greg", "user=countersign")
    .replace("/home/greg/.config/countersign/config.toml", "/etc/countersign/config.toml")
    .replace("--maildir /home/greg/Maildir", "--forward");
  const inList = service.replace(/^/gm, "   ").trimEnd();
  assert.ok(read("milter/README.md").includes(`\`\`\`\n${inList}\n`));
});
