/** The manual pages are well formed, up to date and complete, and their examples work. */
import assert from "node:assert/strict";
import { commands } from "../../build/docs/commands.ts";
import { MADE, page } from "../../build/docs/manual.ts";
import { literal, prose } from "../../build/docs/mdoc.ts";
import { CALLERS } from "../../incoming/delivery.ts";
import { DOORBELL_CALLERS } from "../../hooks/doorbell_options.ts";
import { exitStatus, stateStatus } from "../../hooks/exits.ts";
import { STATES } from "../../incoming/doorbell/decide.ts";
import { Fail } from "../../lib/fail.ts";
import { accountsIn } from "../../lib/settings/accounts.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { REPEATED, SETTINGS } from "../../lib/settings/schema.ts";
import { sysexit } from "../../lib/sysexits.ts";
import { Home, type Ran, ROOT } from "../rig.ts";
import { need } from "./need.ts";

const test = await need("mandoc");
const PAGES = [...Deno.readDirSync(`${ROOT}/contrib/man`)].map((entry) => entry.name).sort();

/** Programs whose pages show run scripts of contrib/acceptutils. */
const CHAIN = ["authup", "checknotroot", "checkpassword", "fixsmtpio", "ofmipd", "reup"];
const SCRIPTS = ["run", "run-filtered", "run-reup"];

/** Programs that mail servers start, whose pages show lines of these snippets. */
const SERVERS: Record<string, string> = {
  "countersign-opensmtpd.8": "opensmtpd/smtpd.conf",
  "countersign-queue.8": "qmail/tcp.smtp",
  "countersign-rcptcheck.8": "qmail/rcptchecks",
};

/** The source of a page. */
const read = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/man/${name}`);

Deno.test("the list of manual pages", () => {
  assert.deepEqual(PAGES, [
    ...[...CHAIN.map((name) => `countersign-${name}.8`), ...Object.keys(SERVERS)].sort(),
    ...["countersign.1", "countersign.7", "countersign.conf.5", "doorbell.8", "incoming.8", "shim.1"],
  ]);
});

test("manual pages pass mandoc -Tlint", async () => {
  for (const page of PAGES) {
    // Only warnings and errors: references to pages of other packages are a style message.
    const args = ["-T", "lint", "-W", "warning", `${ROOT}/contrib/man/${page}`];
    const { code, stdout } = await new Deno.Command("mandoc", { args }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, ""], page);
  }
});

for (const name of Object.keys(MADE)) {
  Deno.test(`${name} agrees with the help texts and settings`, async () => {
    assert.ok(read(name) === await page(name), `${name} is out of date; run: deno run -A build/docs/manual.ts`);
  });
}

Deno.test("countersign.1 describes every command and every option", async () => {
  const sections = new Map(
    read("countersign.1").split(/^\.Ss /m).slice(1).map((text) => [/^\S+/.exec(text)![0], text]),
  );
  const all = await commands();
  assert.ok(all.length > 5);
  for (const { name, options } of all.filter(({ name }) => !["shim", "incoming"].includes(name))) {
    const text = sections.get(name);
    assert.ok(text !== undefined, name);
    for (const option of options) {
      assert.match(text, new RegExp(`^\\.(?:It Fl -|D1.* \\[?\\\\-\\\\-)${option.name}\\b`, "m"));
    }
  }
});

Deno.test("countersign.conf.5 describes every setting once, below its table", () => {
  const text = read("countersign.conf.5");
  const names = text.split("\n").filter((line) => /^\.(?:It Ic|Ss)/.test(line)).map((line) => line.split(" ").slice(1));
  let table = "";
  const found = names.flatMap(([word = "", name = ""]) => {
    if (word === "Ic") return [`${table}${name}`];
    table = word.startsWith("[") ? `${word.replace(/[[\]]/g, "")}.` : "";
    return [];
  });
  assert.deepEqual(found, SETTINGS.map(({ name }) => name));
});

/** The examples that a reader would copy, as they are displayed. */
function examples(name: string): string[] {
  const shown = (text: string) =>
    text.replaceAll("\\(dq", '"').replaceAll("\\&", "").replaceAll("\\-", "-").replaceAll("\\e", "\\");
  const found = read(name).matchAll(/^\.Dl (.*)$|^\.Bd -literal.*\n([^]*?)^\.Ed$/gm);
  return [...found].map(([, line, block]) => shown(line ?? block!.trimEnd()));
}

/** The file of contrib/ without its comments. */
const snippet = (name: string) =>
  Deno.readTextFileSync(`${ROOT}/contrib/${name}`).split("\n").filter((line) => !/^(#|$)/.test(line));

/** Runs a line in the shell, in a home with the files that the examples use. */
async function inShell(line: string): Promise<Ran> {
  using home = new Home();
  // init cannot ask without a terminal, and the test must not depend on the machine's mail programs.
  const submit = / --submit\b/.test(line);
  const adapted = line.replace(/^countersign init\b.*/, (init) => {
    if (submit) return `${init} --yes --name mx.example.org`;
    return `${init} --yes${init.includes("--via") ? "" : " --command /bin/true --preset sendmail"}`;
  });
  const asked = adapted.replace(/^countersign passwd add \w+$/, "echo secret | $& --file users");
  if (adapted !== line && !submit) Deno.removeSync(`${home.path}/.config`, { recursive: true });
  home.write(
    "bin/countersign",
    `#!/bin/sh\nexec "${Deno.execPath()}" run -q -A "${ROOT}/main.ts" countersign "$@"\n`,
    0o755,
  );
  home.write(
    "Maildir/.Spam/new/1795153163.1.mx",
    "Return-Path: <>\nFrom: x@example.com\nSubject: failure notice\n\nNo.\n",
  );
  home.write("Maildir/new/1795153164.1.mx", "From: ann@example.net\nTo: greg@example.org\n\nHi.\n");
  Deno.mkdirSync(`${home.path}/Maildir/cur`);
  home.write("Maildir/.Sent/cur/1795153162.1.mx:2,S", "From: greg@example.org\nMessage-ID: <1@example.org>\n\nHi.\n");
  home.write("Mail/inbox.mbox", "From greg@example.org Fri Nov 20 05:32:58 2026\nFrom: greg@example.org\n\nHi.\n");
  home.write("draft", "From: greg@example.org\nTo: ann@example.net\n\nHi.\n");
  home.write("secret", "some secret of a former program\n", 0o600);
  home.write("postsrsd", "SRS_DOMAIN=srs.example.net\n");
  home.write("fullchain.pem", "");
  home.write("privkey.pem", "");
  const files = {
    "/etc/postsrsd.secret": "secret",
    "/etc/default/postsrsd": "postsrsd",
    "/etc/letsencrypt/live/mx.example.org/fullchain.pem": "fullchain.pem",
  };
  const here = Object.entries(files).reduce((text, [from, to]) => text.replace(from, to), asked);
  return await home.run(["/bin/sh", "-ec", here]);
}

for (const name of PAGES) {
  Deno.test(`the examples of ${name} work`, async () => {
    const all = examples(name);
    assert.ok(all.length > 0, "no examples");
    for (const example of all) {
      const [first = ""] = example.split("\n");
      if (first.startsWith("countersign ")) {
        for (const line of example.split("\n")) {
          // They run until they are stopped, or need a certificate; tests/serve, tests/submit and init_submit_test.ts
          // test them.
          if (/^countersign (?:serve|submitd|init --submit) /.test(line)) continue;
          const { code, stdout, stderr } = await inShell(line);
          // They exit 1 if they find something.
          const ends = /^countersign (?:doctor|verify)\b/.test(line) ? [0, 1] : [0];
          assert.ok(ends.includes(code) && stderr === "", `${line}: ${code} ${stdout}${stderr}`);
        }
      } else if (first.startsWith("set sendmail=")) {
        assert.ok(snippet("mutt/muttrc").includes(example), example);
      } else if (first.includes("/doorbell ")) {
        for (const file of [".qmail-svc", ".qmail-svc-confirm-default"]) {
          assert.deepEqual([example], snippet(`doorbell/greg/${file}`));
        }
      } else if (first.startsWith("|")) {
        for (const file of [".qmail", ".qmail-srs-default"]) {
          assert.deepEqual(example.split("\n"), snippet(`qmail/greg/${file}`));
        }
      } else if (first.startsWith('"|')) {
        assert.deepEqual([example], snippet("postfix/local/forward"));
      } else if (first === "[transport]") {
        const identity = '[[identity]]\naddress = "greg@example.org"\n';
        const settings = parseConfig(`${example}\n${identity}`, { file: "/home/greg/config.toml", home: "/home/greg" });
        assert.deepEqual(accountsIn(settings).map((one) => [one.name, one.sender]), [["home", ""], ["work", "plain"]]);
      } else if (Object.hasOwn(SERVERS, name)) {
        assert.ok(snippet(SERVERS[name]!).join("\n").includes(example), example);
      } else if (first.startsWith("exec tcpserver")) {
        assert.ok(SCRIPTS.some((script) => snippet(`acceptutils/${script}`).join("\n").endsWith(example)), example);
      } else if (first.startsWith("since = ")) {
        const settings = parseConfig(example, { file: "/home/greg/config.toml", home: "/home/greg" });
        assert.deepEqual(settings.rule.map(({ to, sender }) => [to, sender]), [[["*@lists.example.org"], "plain"]]);
        assert.equal(settings.incoming.spam, "/home/greg/Maildir/.Spam");
      } else {
        assert.fail(`This example is not tested: ${example}`);
      }
    }
  });
}

Deno.test("the manual page writes repeatable tables as [[table]]", () => {
  const config = (more: string) =>
    parseConfig(`[[identity]]\naddress = "g@example.org"\n[transport]\npreset = "exim"\n${more}`, {
      file: "/c",
      home: "/",
    });
  const rule = '[[rule]]\nto = ["*"]\n';
  assert.equal(config(rule + rule).rule.length, 2);
  const tables = new Set(SETTINGS.flatMap(({ name }) => name.includes(".") ? [name.split(".")[0]!] : []));
  for (const table of tables) {
    const heading = Object.hasOwn(REPEATED, table) ? `[[${table}]]` : `[${table}]`;
    assert.ok(read("countersign.conf.5").includes(`\n.Ss ${heading}\n`), heading);
  }
});

/** The statuses in a manual page. */
const statusesIn = (page: string) =>
  [...page.slice(page.indexOf(".Sh EXIT STATUS")).matchAll(/^\.It (\d+)$/gm)].map(([, status]) => Number(status));

Deno.test("shim.1, docs/outgoing.md and countersign.1 list every status of sysexits", () => {
  const kinds = ["usage", "data", "input", "refused", "system", "io", "temporary", "permission", "config"] as const;
  const all = [0, ...kinds.map((kind) => sysexit(new Fail(kind, ""))), sysexit(new Error())].sort();
  const guide = Deno.readTextFileSync(`${ROOT}/docs/outgoing.md`);
  const ofShim = all.filter((status) => status !== 66); // a mailbox is missing
  assert.deepEqual(statusesIn(read("shim.1")), ofShim);
  assert.deepEqual([...guide.matchAll(/^\| (\d+) +\|/gm)].map(([, status]) => Number(status)), ofShim);
  // 1 is that of findings. Mail is sent, and rejected, by the shim.
  assert.deepEqual(statusesIn(read("countersign.1")), [...all, 1].sort().filter((status) => status !== 69));
});

Deno.test("doorbell.8 lists every caller and every status of a state", () => {
  const page = read("doorbell.8");
  for (const caller of DOORBELL_CALLERS) {
    assert.match(page, new RegExp(`^(?:\\.It )?\\.?(?:Cm )?.*\\b${caller}\\b`, "m"));
  }
  const [, line = ""] = /^\.It Cm maildrop , Cm procmail\n(.*)$/m.exec(page) ?? [];
  const documented = [...line.matchAll(/(\d+):/g)].map(([, number]) => Number(number));
  assert.deepEqual(documented, [...STATES.map((state) => stateStatus("procmail", state)), 75]);
});

Deno.test("incoming.8 lists every caller with its statuses, and mentions the contract that an answer accepts", () => {
  const page = read("incoming.8");
  const status = page.slice(page.indexOf(".Sh EXIT STATUS"));
  for (const caller of CALLERS) {
    assert.match(page, new RegExp(`^\\.Cm ${caller}\\b`, "m"));
    const [, line = ""] = new RegExp(`^\\.It Cm ${caller}\\n(.*)$`, "m").exec(status) ?? [];
    const documented = [...line.matchAll(/(\d+):/g)].map(([, number]) => Number(number)).sort();
    const outcomes = (["go-on", "filed", "defer"] as const).map((outcome) => exitStatus(caller, outcome, false));
    assert.deepEqual(documented, [...new Set(outcomes)].sort(), caller);
  }
  assert.match(page, /By each answer the user accepts the contract/);
});

const TEXTS: [text: string, mdoc: string[]][] = [
  ["One. Two: three", ["One.", "Two: three"]],
  ["`a` and **b**", ["\\(oqa\\(cq and \\fBb\\fP"]],
  [".forward is first", ["\\&.forward is first"]],
  ["'words' too", ["\\&'words' too"]],
  ["see --sender, not a back\\slash", ["see \\-\\-sender, not a back\\eslash"]],
  [`${"word ".repeat(20)}.more`, ["word ".repeat(20).trim(), "\\&.more"]],
];
for (const [text, lines] of TEXTS) {
  Deno.test(`prose ${text.slice(0, 30)}`, () => assert.deepEqual(prose(text), lines));
}

Deno.test("words that look like macros, and quotes, are escaped", () => {
  assert.equal(literal('say "In At No" Ar Dl x'), "say \\(dqIn \\&At No\\(dq \\&Ar \\&Dl x");
});
