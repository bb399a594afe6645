/** contrib/qmail with a driver in place of qmail-local, and the pitfalls with which dot-qmail files could lose mail. */
import assert from "node:assert/strict";
import { countersign } from "../admin/home.ts";
import { type Delivered, qmailLocal, routed, type Started } from "../../build/rig/qmail.ts";
import { fieldOf, Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { Installed } from "./installation.ts";
import {
  assertCounts,
  breakSettings,
  crashDeno,
  FORGED,
  FORGED_SRS,
  gregsHome,
  mailsIn,
  MEGABYTE,
  ORDINARY,
  removeMail,
  send,
  settings,
  snippet,
  withHook,
} from "./letters.ts";

const DOMAIN = "srs.example.org";
const OWN = [".qmail", ".qmail-srs-default"];

const VIRTUAL = Deno.readTextFileSync(`${ROOT}/contrib/qmail/virtualdomains`);

/** Delivers to one of greg's addresses. */
function deliver(home: Home, sender: string, recipient: string, message: string, as?: Started): Promise<Delivered> {
  return qmailLocal(home, { sender, ...routed(recipient, VIRTUAL) }, message, as);
}

/** The result of a delivery, and the exit statuses of the program lines. */
const ended = ({ end, runs }: Delivered) => [end, ...runs.map(({ code }) => code)];

/** greg's home with these dot-qmail files. */
function qmailHome(incoming = "", files: Record<string, string> = greg()): Home {
  const home = gregsHome(incoming);
  for (const [name, text] of Object.entries(files)) home.write(name, text);
  return home;
}

const greg = (places = {}) => Object.fromEntries(OWN.map((name) => [name, snippet(`qmail/greg/${name}`, places)]));

const FRIEND = "friend@friend.example";
const PLAIN = "greg@example.org";

Deno.test("qmail: where mail is delivered", async (t) => {
  using home = qmailHome();
  const { mail, sender } = await send(home);
  const bounce = qsbmf(sender, mail);
  // The same dot-qmail file also handles addresses in the plain domain.
  const viaPlainDomain = (address: string) => `greg-srs-${address.split("@")[0]}@example.org`;
  type Row = [what: string, from: string, to: string, message: string, code: number, inbox: number, spam: number];
  const table: Row[] = [
    ["a bounce to the SRS address", "", sender, bounce, 0, 1, 0],
    ["the same in upper case", "", sender.toUpperCase(), bounce, 0, 1, 0],
    ["a double bounce to the SRS address", "#@[]", sender, bounce, 0, 1, 0],
    ["a bounce to the plain address, known by its tag", "", PLAIN, bounce, 0, 1, 0],
    ["a double bounce to the plain address, known by its tag", "#@[]", PLAIN, bounce, 0, 1, 0],
    ["through the plain domain, genuine", "", viaPlainDomain(sender), bounce, 0, 1, 0],
    ["through the plain domain, forged", "", viaPlainDomain(FORGED_SRS), FORGED, 99, 0, 1],
    ["through the plain domain, forged, with a genuine message", "", viaPlainDomain(FORGED_SRS), bounce, 99, 0, 1],
    ["a forged bounce", "", PLAIN, FORGED, 99, 0, 1],
    ["a double bounce of anything", "#@[]", PLAIN, FORGED, 0, 1, 0],
    ["a double bounce to a forged SRS address", "#@[]", FORGED_SRS, FORGED, 0, 1, 0],
    ["a forged SRS address", "", FORGED_SRS, FORGED, 99, 0, 1],
    ["mail from a person", FRIEND, PLAIN, ORDINARY, 0, 1, 0],
    ["mail from a person to the SRS address", FRIEND, sender, ORDINARY, 0, 1, 0],
    ["a megabyte", FRIEND, PLAIN, ORDINARY + MEGABYTE, 0, 1, 0],
    ["a forged megabyte", "", PLAIN, FORGED + MEGABYTE, 99, 0, 1],
  ];
  for (const [what, from, to, message, code, inbox, spam] of table) {
    await t.step(what, async () => {
      removeMail(home);
      assert.deepEqual(ended(await deliver(home, from, to, message)), ["success", code]);
      assertCounts(home, inbox, spam);
      const [got] = [...mailsIn(home).inbox, ...mailsIn(home).spam];
      assert.ok(got!.startsWith(`Return-Path: <${from}>\nDelivered-To: greg`), "with qmail-local's fields first");
      assert.ok(got!.endsWith(inbox ? message : message.slice(message.indexOf("\n\n"))), "the message is unchanged");
      // The hook does not inspect all of a megabyte.
      const result = what.includes("megabyte") ? /^X-Countersign: unsure; /m : /^X-Countersign: forged; /m;
      if (spam === 1) assert.match(got!, result);
      if (from === "#@[]") assert.match(home.read(".local/state/countersign/log"), / sender="#@\[\]" .*\n$/);
    });
  }
});

Deno.test("qmail: a sender that is not UTF-8 counts as a person", async () => {
  using home = qmailHome();
  const input = home.write("queue", ORDINARY);
  const script = `SENDER=$(printf 's\\377r@x.test'); RPLINE=$(printf 'Return-Path: <"s\\377r"@x.test>\\n.'); ` +
    `RPLINE=\${RPLINE%.}; export SENDER RPLINE; exec "$0" --maildir Maildir <"$1"`;
  const env = { RECIPIENT: PLAIN, LOCAL: "greg", HOST: "example.org", EXT: "" };
  const ran = await home.run(["sh", "-c", script, `${ROOT}/hooks/incoming`, input], "", env);
  assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
  const [file] = [...Deno.readDirSync(`${home.path}/Maildir/new`)];
  const bytes = Deno.readFileSync(`${home.path}/Maildir/new/${file!.name}`);
  const latin = [...bytes].map((byte) => String.fromCharCode(byte)).join("");
  assert.ok(latin.startsWith('Return-Path: <"s\xffr"@x.test>\nX-Countersign: other; '), latin.slice(0, 200));
  assert.match(home.read(".local/state/countersign/log"), / sender=unreadable /);
});

Deno.test("qmail: no mail is lost when the hook fails", async (t) => {
  const dead = (home: Home) => home.write("bin/incoming", "#!/bin/sh\nkill -9 $$\n", 0o755);
  /** Causes a failure. @returns the path of another hook, if any */
  type Failure = (home: Home) => string | void;
  const table: [what: string, fail: Failure, code: number][] = [
    ["invalid settings", breakSettings, 75],
    ["hook missing", () => "/nowhere/incoming", 127],
    ["hook killed", dead, 128 + 9],
    ["Deno killed", (home) => crashDeno(home), 75],
    ["Deno missing", (home) => Deno.removeSync(`${home.path}/bin/deno`), 75],
    ["key file that others can read", (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644), 75],
    ["key file missing", (home) => Deno.removeSync(`${home.path}/.config/countersign/keys`), 75],
  ];
  for (const [what, fail, code] of table) {
    for (const [from, to] of [[FRIEND, PLAIN], ["", PLAIN], ["", FORGED_SRS]] as const) {
      // Mail from a person needs no key, and passes without Deno.
      if (/^(?:key|Deno)/.test(what) && from === FRIEND) continue;
      await t.step(`${what}: from <${from}> to ${to}`, async () => {
        using home = qmailHome();
        const hook = fail(home);
        for (const [name, text] of Object.entries(greg(hook ? withHook(hook) : {}))) home.write(name, text);
        const out = await deliver(home, from, to, ORDINARY + MEGABYTE);
        // The shell exits 137 for a program that was killed, unless it was replaced by it.
        if (what === "hook killed") assert.notEqual(out.runs[0]!.code, 0);
        else assert.equal(out.runs[0]!.code, code, out.runs[0]!.stdout);
        assert.equal(out.end, "defer");
        assertCounts(home, 0, 0);
      });
    }
  }
});

Deno.test("qmail: mail from a person is delivered without Deno", async (t) => {
  const table: [what: string, fail: (home: Home) => void, sender: string, inbox: number][] = [
    ["Deno missing", (home) => Deno.removeSync(`${home.path}/bin/deno`), FRIEND, 1],
    ["Deno killed", (home) => crashDeno(home), FRIEND, 1],
    ["Deno missing, the null sender", (home) => Deno.removeSync(`${home.path}/bin/deno`), "", 0],
    ["Deno missing, a daemon", (home) => Deno.removeSync(`${home.path}/bin/deno`), "MAILER-DAEMON@mx.example.net", 0],
  ];
  for (const [what, fail, sender, inbox] of table) {
    await t.step(what, async () => {
      using home = qmailHome();
      fail(home);
      const out = await deliver(home, sender, PLAIN, ORDINARY + MEGABYTE);
      assert.equal(out.end, inbox === 1 ? "success" : "defer");
      assertCounts(home, inbox, 0);
      if (inbox === 1) assert.ok(mailsIn(home).inbox[0]!.endsWith(ORDINARY + MEGABYTE));
    });
  }
});

Deno.test("qmail: no message is bounced", async (t) => {
  const table: [what: string, from: string, to: string, code: number, inbox: number][] = [
    ["a person, forged SRS address", FRIEND, FORGED_SRS, 99, 0],
    ["null sender, forged SRS address", "", FORGED_SRS, 99, 0],
    ["null sender, plain address", "", PLAIN, 99, 0],
    ["double bounce, forged SRS address", "#@[]", FORGED_SRS, 0, 1],
    ["double bounce, plain address", "#@[]", PLAIN, 0, 1],
    ["a daemon, plain address", "MAILER-DAEMON@mx.example.net", PLAIN, 99, 0],
  ];
  for (const [what, from, to, code, inbox] of table) {
    await t.step(what, async () => {
      using home = qmailHome(`forged = "refuse"`);
      assert.deepEqual(ended(await deliver(home, from, to, FORGED)), ["success", code]);
      assertCounts(home, inbox, 1 - inbox);
    });
  }
});

Deno.test("qmail: a hook without a following line never exits 0", async (t) => {
  /** The file of contrib without the line that delivers. */
  const alone = (name: string) => snippet(`qmail/greg/${name}`).replace("./Maildir/\n", "");
  const genuine = async (home: Home) => {
    const { mail, sender } = await send(home);
    return { sender, bounce: qsbmf(sender, mail) };
  };
  for (const name of [".qmail", ".qmail-srs-default", ".qmail-default"]) {
    const text = alone(name === ".qmail-default" ? ".qmail-srs-default" : name);
    assert.doesNotMatch(text, /^[^#|]/m);
    const to = (sender: string) => name === ".qmail" ? PLAIN : sender;
    const forged = name === ".qmail" ? PLAIN : FORGED_SRS;
    for (const [what, from] of [["a bounce", ""], ["mail from a person", FRIEND]] as const) {
      await t.step(`${name}: ${what}, no inbox is set`, async () => {
        using home = qmailHome("", { [name]: text });
        const { sender, bounce } = await genuine(home);
        const out = await deliver(home, from, to(sender), bounce);
        assert.deepEqual(ended(out), ["defer", 75]);
        oneLine({ ...out.runs[0]!, stderr: out.runs[0]!.stdout }, 75, /Nothing delivers after this hook/);
        assertCounts(home, 0, 0);
      });
      await t.step(`${name}: ${what}, with an inbox`, async () => {
        using home = qmailHome(`inbox = "~/Maildir"`, { [name]: text });
        const { sender, bounce } = await genuine(home);
        assert.deepEqual(ended(await deliver(home, from, to(sender), bounce)), ["success", 99]);
        assertCounts(home, 1, 0);
      });
    }
    await t.step(`${name}: a forged bounce`, async () => {
      using home = qmailHome("", { [name]: text });
      assert.deepEqual(ended(await deliver(home, "", forged, FORGED)), ["success", 99]);
      assertCounts(home, 0, 1);
    });
    await t.step(`${name}: the hook after the line that delivers`, async () => {
      using home = qmailHome("", { [name]: `./Maildir/\n${text}` });
      const { sender, bounce } = await genuine(home);
      assert.deepEqual(ended(await deliver(home, "", to(sender), bounce)), ["defer", 75]);
    });
  }
});

/** A dot-qmail file with the hook only. */
const ALONE = `|${ROOT}/hooks/incoming\n`;

/** Creates a link to the home, and the sandbox file for this path. @returns the path */
async function linked(home: Home, above: boolean): Promise<string> {
  const folder = Deno.makeTempDirSync({ dir: home.path, prefix: "links-" });
  const [parent, own] = [
    home.path.slice(0, home.path.lastIndexOf("/")),
    home.path.slice(home.path.lastIndexOf("/") + 1),
  ];
  Deno.symlinkSync(above ? parent : home.path, `${folder}/link`);
  const name = above ? `${folder}/link/${own}` : `${folder}/link`;
  const ran = await countersign(home, ["sandbox"], "", { HOME: name });
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  return name;
}

Deno.test("qmail: a home that is reached through a link", async (t) => {
  for (const above of [false, true]) {
    for (
      const [what, incoming, files, code] of [
        ["two lines, as in README", "", greg(), 0],
        ["the hook alone", "", Object.fromEntries(OWN.map((name) => [name, ALONE])), 75],
        [
          "the hook alone, with an inbox",
          'inbox = "~/Maildir"',
          Object.fromEntries(OWN.map((name) => [name, ALONE])),
          99,
        ],
      ] as const
    ) {
      await t.step(`${above ? "the folder above it" : "the home"} is a link: ${what}`, async () => {
        using home = qmailHome(incoming, files);
        const { mail, sender } = await send(home);
        const as = { home: await linked(home, above) };
        for (
          const [from, to, message] of [
            ["", sender, qsbmf(sender, mail)],
            ["", PLAIN, qsbmf(sender, mail)],
            [FRIEND, PLAIN, ORDINARY],
          ] as const
        ) {
          removeMail(home);
          const out = await deliver(home, from, to, message, as);
          assert.deepEqual(ended(out), [code === 75 ? "defer" : "success", code], out.runs[0]!.stdout);
          if (code === 75) assert.match(out.runs[0]!.stdout, /Nothing delivers after this hook/);
          assertCounts(home, code === 75 ? 0 : 1, 0);
        }
        removeMail(home);
        assert.deepEqual(ended(await deliver(home, "", PLAIN, FORGED, as)), ["success", 99]);
        assertCounts(home, 0, 1);
      });
    }
  }
});

Deno.test("qmail: a dot-qmail file that is a link is followed", async () => {
  using home = qmailHome("", {});
  home.write("dotfiles/qmail", ALONE);
  Deno.symlinkSync("dotfiles/qmail", `${home.path}/.qmail`);
  const out = await deliver(home, FRIEND, PLAIN, ORDINARY);
  assert.deepEqual(ended(out), ["defer", 75]);
  assert.match(out.runs[0]!.stdout, /Nothing delivers after this hook/);
});

Deno.test("qmail: a dot-qmail file that the hook cannot read, as a user who is not root", async (t) => {
  using installed = await Installed.make();
  const by = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const line = `|${installed.hook}\n`;
  for (const [what, text] of [["the hook alone", line], ["two lines", `${line}./Maildir/\n`]] as const) {
    await t.step(what, async () => {
      using home = qmailHome("", { ".qmail": text });
      const { mail, sender } = await send(home);
      const own = await home.run(["chown", "-R", "65534:65534", home.path]);
      assert.equal(own.code, 0, own.stderr);
      // The driver runs as root and can still read it, as if its mode had changed after qmail-local opened it.
      await home.run(["sh", "-c", "chown 0:0 .qmail && chmod 600 .qmail"]);
      for (const [from, message] of [["", qsbmf(sender, mail)], [FRIEND, ORDINARY]] as const) {
        const out = await deliver(home, from, PLAIN, message, { by });
        assert.deepEqual(ended(out), ["defer", 75]);
        assert.match(out.runs[0]!.stdout, /^incoming: \S+\/\.qmail: File cannot be read: Permission denied .*\n$/);
        assertCounts(home, 0, 0);
      }
      // Filed mail needs no destination.
      assert.deepEqual(ended(await deliver(home, "", PLAIN, FORGED, { by })), ["success", 99]);
      assertCounts(home, 0, 1);
    });
  }
});

Deno.test("qmail: ~alias writes the sandbox file of settings whose group it does not belong to", {
  ignore: Deno.uid() !== 0,
}, async () => {
  using installed = await Installed.make();
  const { home, prefix } = installed;
  await home.run(["chown", "-R", "65534:0", home.path]);
  for (const name of ["config.sandbox", "plain-lists"]) {
    await home.run(["rm", "-f", `.config/countersign/${name}`]);
  }
  const as = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const ran = await home.run([...as, `${prefix}/bin/countersign`, "sandbox"]);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.notEqual(home.read(".config/countersign/config.sandbox"), "");
});

Deno.test("qmail: a dot-qmail file that the sandbox cannot permit", async () => {
  using home = qmailHome("", { ".qmail-a,b": ALONE, ".qmail-a": `${ALONE}./Maildir/\n` });
  const toExtension = (ext: string) => qmailLocal(home, { sender: FRIEND, ext, host: "example.org" }, ORDINARY);
  // Deno cannot be permitted a path with a comma.
  const out = await toExtension("a,b");
  assert.deepEqual(ended(out), ["defer", 75]);
  assert.match(out.runs[0]!.stdout, /\.qmail-a,b: File cannot be read: read access to .* is not permitted/);
  assert.deepEqual(ended(await toExtension("a")), ["success", 0]);
});

/** Writes a wrapper that runs the hook and then this command. */
const wrapper = (home: Home, name: string, then: string) =>
  home.write(name, `#!/bin/sh\n${ROOT}/hooks/incoming || exit $?\n${then}\n`, 0o755);
/** Delivers standard input from its beginning: it is a file that the hook has already read. */
const DELIVERS = 'exec cat /proc/self/fd/0 >"$(mktemp "$HOME/Maildir/new/wrapped.XXXXXXXXXX")"';

Deno.test("qmail: either the wrapper or the next line delivers", async (t) => {
  const rows: [what: string, then: string, file: string][] = [
    ["a wrapper, and a line that delivers", "", "|~/bin/check\n./Maildir/\n"],
    ["a wrapper that delivers", DELIVERS, "|~/bin/check\n"],
    ["a wrapper that delivers, named after the hook", DELIVERS, "|$HOME/bin/check-incoming\n"],
    ["the hook and a program in one line", "", `|${ROOT}/hooks/incoming && ${DELIVERS}\n`],
    ["vpopmail's .qmail-default", DELIVERS, "| $HOME/bin/vdelivermail '' bounce-no-mailbox\n"],
  ];
  for (const [what, then, text] of rows) {
    for (const incoming of ["", 'inbox = "~/Maildir"']) {
      await t.step(`${what}${incoming && ", an inbox is set"}`, async () => {
        const file = what.startsWith("vpopmail") ? ".qmail-default" : ".qmail";
        using home = qmailHome(incoming, { [file]: text, ".qmail-srs-default": text });
        for (const name of ["check", "check-incoming", "vdelivermail"]) wrapper(home, `bin/${name}`, then);
        const { mail, sender } = await send(home);
        // In vpopmail's own domain each address is an extension.
        const to = (address: string) =>
          file === ".qmail"
            ? routed(address, VIRTUAL)
            : { user: "example.org", ext: address.split("@")[0]!, host: address.split("@")[1]! };
        for (
          const [from, address, message] of [
            ["", sender, qsbmf(sender, mail)],
            ["", PLAIN, qsbmf(sender, mail)],
            [FRIEND, PLAIN, ORDINARY],
          ] as const
        ) {
          removeMail(home);
          const out = await qmailLocal(home, { sender: from, ...to(address) }, message);
          assert.deepEqual(ended(out), ["success", 0], out.runs[0]!.stdout);
          assertCounts(home, 1, 0);
        }
        removeMail(home);
        assert.deepEqual(ended(await qmailLocal(home, { sender: "", ...to(PLAIN) }, FORGED)), ["success", 99]);
        assertCounts(home, 0, 1);
      });
    }
  }
});

Deno.test("qmail: a single line |hooks/incoming in .qmail-default delivers after init", async (t) => {
  using home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  const out = home.write("bin/inject", `#!/bin/sh\nfor word; do echo "$word"; done >argv\ncat >sent\n`, 0o755);
  const made = await countersign(home, [
    "init",
    "--yes",
    ...["--address", PLAIN, "--srs-domain", DOMAIN],
    ...["--preset", "qmail-inject", "--command", out],
  ]);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  Deno.mkdirSync(`${home.path}/hooks`);
  Deno.symlinkSync(`${ROOT}/hooks/incoming`, `${home.path}/hooks/incoming`);
  home.write(".qmail-default", "|hooks/incoming\n");

  const written = `From: Greg <${PLAIN}>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\nAt one?\n`;
  assert.deepEqual(await home.shim(["--", "nobody@mx.example.net"], written), { code: 0, stdout: "", stderr: "" });
  const args = home.read("argv").split("\n");
  const sender = args[args.indexOf("-f") + 1]!;
  const mail = home.read("sent");
  // Both domains are greg's virtual domains: control/virtualdomains has srs.example.org:greg and example.org:greg.
  const arrive = (from: string, to: string, message: string) => {
    const [ext, host] = to.split("@") as [string, string];
    return qmailLocal(home, { sender: from, ext, host }, message);
  };
  const rows: [what: string, from: string, to: string, message: string, inbox: number, result: RegExp][] = [
    ["a genuine bounce, by its address", "", sender, qsbmf(sender, mail), 1, /^genuine; check=signed-recipient/],
    ["a genuine bounce, by its tag", "", PLAIN, qsbmf(PLAIN, mail), 1, /^genuine; check=returned-header/],
    ["ordinary mail", FRIEND, PLAIN, ORDINARY, 1, /^other; /],
    ["ordinary mail to an unknown address", FRIEND, "ann@example.org", ORDINARY, 1, /^other; /],
    ["ordinary mail to the signed address", FRIEND, sender, ORDINARY, 1, /^other; /],
    ["a double bounce", "#@[]", PLAIN, FORGED, 1, /^other; check=double-bounce/],
    ["a forged SRS address", "", FORGED_SRS, FORGED, 0, /^forged; /],
    ["a forged bounce during the grace period", "", PLAIN, FORGED, 1, /^suspect; /],
  ];
  for (const [what, from, to, message, inbox, result] of rows) {
    await t.step(what, async () => {
      assert.deepEqual(ended(await arrive(from, to, message)), ["success", 99]);
      assertCounts(home, inbox, 1 - inbox);
      const [got] = [...mailsIn(home).inbox, ...mailsIn(home).spam];
      assert.ok(got!.startsWith(`Return-Path: <${from}>\nDelivered-To: greg-`), "with qmail-local's fields first");
      assert.match(fieldOf(got!, "X-Countersign"), result);
      assert.ok(got!.endsWith(message), "the message is unchanged");
      removeMail(home);
    });
  }
  await t.step("mail to the account itself has no extension, so qmail-local does not use .qmail-default", async () => {
    const out = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, FORGED);
    assert.deepEqual(ended(out), ["success"]);
    assertCounts(home, 1, 0, "the default delivery, without the hook");
    removeMail(home);
  });
});

Deno.test("qmail: incoming.forward never forwards mail to its own recipient", async (t) => {
  const text = snippet("qmail/greg/.qmail").replace("./Maildir/\n", "");
  for (const [what, from] of [["mail from a person", FRIEND], ["a bounce known by its tag", ""]] as const) {
    for (const [inbox, end] of [["", ["defer", 75]], [`inbox = "~/Maildir"`, ["success", 99]]] as const) {
      await t.step(`${what}, ${inbox || "no inbox"}`, async () => {
        using home = qmailHome("", { ".qmail": text });
        const { mail, sender } = await send(home);
        home.settings(settings(home, `forward = true\n${inbox}`));
        const out = await deliver(home, from, PLAIN, from === "" ? qsbmf(sender, mail) : ORDINARY);
        assert.deepEqual(ended(out), end);
        assertCounts(home, inbox === "" ? 0 : 1, 0);
        assert.deepEqual(home.mails("out"), []);
      });
    }
  }
});

/** A substitute for condredirect, which Debian does not package: 0 redirects, 111 defers, others continue. */
const CONDREDIRECT = `#!/bin/sh
address=$1
shift
"$@"
case $? in
  0) echo "$address" >>"$HOME/redirected"; exit 99 ;;
  111) exit 111 ;;
  *) exit 0 ;;
esac
`;

Deno.test("qmail: condredirect does not fail open", async (t) => {
  const own = (name = "") => ({ ".qmail": snippet("qmail/condredirect/.qmail", name === "" ? {} : withHook(name)) });
  const redirecting = (files: Record<string, string>): Home => {
    const home = qmailHome("", files);
    home.write("bin/condredirect", CONDREDIRECT, 0o755);
    return home;
  };
  await t.step("a forged bounce is redirected, other mail is delivered", async () => {
    using home = redirecting(own());
    const { mail, sender } = await send(home);
    assert.deepEqual(ended(await deliver(home, "", PLAIN, FORGED)), ["success", 99]);
    assert.equal(home.read("redirected"), "greg-spam\n");
    assertCounts(home, 0, 0);
    assert.deepEqual(ended(await deliver(home, "", PLAIN, qsbmf(sender, mail))), ["success", 0]);
    assert.deepEqual(ended(await deliver(home, FRIEND, PLAIN, ORDINARY)), ["success", 0]);
    assertCounts(home, 2, 0);
    assert.equal(home.read("redirected"), "greg-spam\n");
  });
  const failures: [what: string, fail: (home: Home) => void][] = [
    ["invalid settings", breakSettings],
    ["key file missing", (home) => Deno.removeSync(`${home.path}/.config/countersign/keys`)],
    ["Deno killed", (home) => crashDeno(home)],
    ["Deno missing", (home) => Deno.removeSync(`${home.path}/bin/deno`)],
  ];
  for (const [what, fail] of failures) {
    await t.step(what, async () => {
      using home = redirecting(own());
      fail(home);
      assert.deepEqual(ended(await deliver(home, "", PLAIN, FORGED)), ["defer", 111]);
      assertCounts(home, 0, 0);
      assert.equal(home.read("redirected"), "");
    });
  }
  await t.step("the pitfall: without --as condredirect it fails open", async () => {
    const files = own();
    using home = redirecting({ ".qmail": files[".qmail"].replaceAll(" --as condredirect", "") });
    breakSettings(home);
    assert.deepEqual(ended(await deliver(home, "", PLAIN, FORGED)), ["success", 0]);
    assertCounts(home, 1, 0);
  });
});

Deno.test("qmail: ~alias of a site forwards a genuine bounce, with a proof for the user's own hook", async (t) => {
  using home = qmailHome();
  const { mail, sender } = await send(home);
  const bounce = qsbmf(sender, mail);

  // ~alias with the site's settings, and a stub of qmail-inject.
  using alias = gregsHome();
  const stub = alias.write(
    "bin/stub",
    `#!/bin/sh\nfor word; do echo "$word"; done >"${alias.path}/argv"\ncat >"${alias.path}/in"\n`,
    0o755,
  );
  const site = settings(alias).replace(
    /\[transport\][^[]*/,
    `[transport]\npreset = "qmail-inject"\ncommand = ["${stub}"]\n\n`,
  );
  alias.settings(site);
  const config = { "/etc/countersign/config.toml": `${alias.path}/.config/countersign/config.toml` };
  alias.write(".qmail-srs-default", snippet("qmail/alias/.qmail-srs-default", config));
  const toAlias = (from: string, address: string, message: string) => {
    const letter = { sender: from, user: "alias", ext: `srs-${address.split("@")[0]}`, host: DOMAIN };
    return qmailLocal(alias, letter, message);
  };

  await t.step("a forged SRS address: filed, not forwarded", async () => {
    assert.deepEqual(ended(await toAlias("", FORGED_SRS, FORGED)), ["success", 99]);
    assert.equal(alias.read("argv"), "");
    assert.equal(alias.mails("Maildir/.Spam").length, 1);
  });
  await t.step("a genuine bounce: forwarded with the null sender", async () => {
    assert.deepEqual(ended(await toAlias("", sender, bounce)), ["success", 99]);
    assert.deepEqual(alias.read("argv").split("\n"), ["-a", "-f", "", "--", PLAIN, ""]);
    assert.match(fieldOf(alias.read("in"), "X-Countersign"), /^v1\.k1\./);
    assert.match(alias.read("in"), /^Delivered-To: alias-srs-SRS0=/);
  });
  await t.step("greg's own hook recognizes it by the proof, even without the tag", async () => {
    const bare = alias.read("in").replaceAll(/^X-Msgauth: .*\n/gm, "");
    assert.notEqual(bare, alias.read("in"));
    assert.deepEqual(ended(await deliver(home, "", PLAIN, bare)), ["success", 0]);
    assertCounts(home, 1, 0);
    // Without the Message-ID of the sent message nothing of it is recognized.
    const altered = bare.replace(/^Subject: .*$/m, "Subject: something else").replaceAll(/^(Message-ID: <)/gim, "$1x");
    assert.deepEqual(ended(await deliver(home, "", PLAIN, altered)), ["success", 99]);
    assertCounts(home, 1, 1);
  });
  await t.step("mail from a person to the SRS address keeps its sender", async () => {
    assert.deepEqual(ended(await toAlias(FRIEND, sender, ORDINARY)), ["success", 99]);
    assert.deepEqual(alias.read("argv").split("\n"), ["-a", "-f", FRIEND, "--", PLAIN, ""]);
    assert.equal(fieldOf(alias.read("in"), "X-Countersign"), "");
  });
  await t.step("a failure of the injector defers", async () => {
    for (const code of [1, 111]) {
      alias.write("bin/stub", `#!/bin/sh\ncat >/dev/null\nexit ${code}\n`, 0o755);
      assert.deepEqual(ended(await toAlias("", sender, bounce)), ["defer", 75]);
    }
  });
});
