/**
 * docs/mutt-qmail.md in its order, for a user with an empty home and the real mutt. qmail, which Debian does not have,
 * is played by a program that keeps what qmail-inject gets, and by a driver in place of qmail-local.
 */
import assert from "node:assert/strict";
import { qmailLocal, routed } from "../../build/rig/qmail.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { Page } from "../page.ts";
import { fieldOf, Home, isFile, qsbmf, type Ran, ROOT } from "../rig.ts";
import { stub, stubArguments, stubInput } from "../stub.ts";
import { FORGED } from "./letters.ts";
import { fileForgeries, muttrcOf, nothingFound, spamFolder } from "./mutt_page.ts";
import { need } from "./need.ts";

const test = await need("mutt");
const page = new Page("docs/mutt-qmail.md");
const PLAIN = "greg@example.org";

test("docs/mutt-qmail.md, from an empty home to a filed forgery", async (t) => {
  using home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  home.write("bin/countersign", `#!/bin/sh\nexec ${COUNTERSIGN.map((word) => `'${word}'`).join(" ")} "$@"\n`, 0o755);
  home.write("bin/pkill", '#!/bin/sh\necho "$*" >"$HOME/signalled"\n', 0o755);
  Deno.mkdirSync(`${home.path}/qmail/control`, { recursive: true });
  const placed = (text: string) =>
    text.replaceAll("/usr/local/bin/shim", `${ROOT}/shim/shim`).replaceAll("/usr/local/lib/countersign", ROOT)
      .replaceAll("/var/qmail", `${home.path}/qmail`);
  const shell = async (text: string): Promise<string> => {
    const ran = await home.run(["/bin/sh", "-e"], placed(text), { USER: "greg" });
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${text}${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const [init, route, doctor, log, ...more] = page.blocks("sh") as [string, string, string, string];
  assert.deepEqual(more, []);
  const inbox = () => home.mails("Maildir");
  const spam = () => home.mails(spamFolder(page));
  const deliver = async (sender: string, recipient: string, mail: string) => {
    const to = routed(recipient, home.read("qmail/control/virtualdomains"));
    assert.equal(to.user, "greg");
    return await qmailLocal(home, { sender, ...to }, mail);
  };

  await t.step("set it up", async () => {
    const printed = await shell(init);
    const [muttrc, hook] = [page.block(/^set sendmail/), page.block(/^\|.*\/incoming$/m)];
    // "It also prints the lines for the next steps, filled in for this machine."
    for (const line of [...muttrc.split("\n"), ...hook.split("\n")]) {
      assert.ok(printed.split("\n").includes(placed(line)), `${line}\n${printed}`);
    }
    home.write(".muttrc", placed(muttrcOf(page)));
    await shell(route);
    assert.equal(home.read("qmail/control/rcpthosts"), "srs.example.org\n");
    assert.equal(home.read("signalled"), "-HUP qmail-send\n");
    for (const name of [page.code("put these two lines into both"), page.code("`~/.qmail-srs-default` and")]) {
      home.write(name.replace("~/", ""), placed(hook));
    }
    assert.deepEqual([".qmail", ".qmail-srs-default"].filter((name) => !isFile(`${home.path}/${name}`)), []);
    const config = home.read(".config/countersign/config.toml");
    const inject = /^command = \[ *"\/var\/qmail\/bin\/qmail-inject" *\]$/m;
    assert.match(config, inject);
    home.write(".config/countersign/config.toml", config.replace(inject, `command = ["${stub(home)}"]`));
  });

  let sent = { sender: "", mail: "" };
  const mutt = async () => {
    const argv = ["mutt", "-n", "-s", "Lunch?", "--", "nobody@mx.example.net"];
    const ran: Ran = await home.run(argv, "At one?\n", { LC_ALL: "C.UTF-8", USER: "greg" });
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    const [, , sender] = stubArguments(home);
    sent = { sender: sender!, mail: stubInput(home) };
  };

  await t.step("try it: the bounce reaches the inbox, to the SRS address and to the plain one", async () => {
    nothingFound(page, await shell(doctor));
    await mutt();
    assert.match(sent.sender, /^SRS0=[\w-]{8}=..=example\.org=greg@srs\.example\.org$/);
    for (const [nth, to] of [sent.sender, PLAIN].entries()) {
      const { end, runs } = await deliver("", to, qsbmf(to, sent.mail));
      assert.deepEqual([end, runs.map(({ code }) => code), inbox().length], ["success", [0], nth + 1]);
    }
    const lines = (await shell(log)).split("\n");
    assert.equal(lines.filter((line) => / direction=out .* result=sent/.test(line)).length, 1);
    const judged = lines.filter((line) => / direction=in .* original=/.test(line));
    assert.equal(judged.length, 2, judged.join("\n"));
    for (const line of judged) assert.match(line, / result=genuine /);
  });

  await t.step("a hook that is the only line of a file delivers to incoming.inbox", async () => {
    const [line, next] = home.read(".qmail").split("\n");
    assert.equal(next, "./Maildir/");
    home.write(".qmail", `${line}\n`);
    await deliver("", PLAIN, qsbmf(PLAIN, sent.mail));
    assert.equal(inbox().length, 3);
    home.write(".qmail", `${line}\n${next}\n`);
  });

  await t.step("forged bounces are delivered at first; with grace = 0 they are filed", async () => {
    await deliver("", PLAIN, FORGED);
    assert.deepEqual([inbox().length, spam().length], [4, 0]);
    assert.deepEqual(inbox().filter((mail) => /^suspect/.test(fieldOf(mail, "X-Countersign"))), []);
    assert.ok((await shell(log)).includes(` ${page.code("the log calls them")} `));
    home.write("forged.eml", `Return-Path: <>\nDelivered-To: ${PLAIN}\n${FORGED}`);
    await fileForgeries(page, home, shell, "forged.eml");
    const { runs } = await deliver("", PLAIN, FORGED);
    assert.deepEqual([runs.map(({ code }) => code), inbox().length, spam().length], [[99], 4, 1]);
    assert.match(fieldOf(spam()[0]!, "X-Countersign"), /^forged;/);
    await deliver("", sent.sender, qsbmf(sent.sender, sent.mail));
    assert.deepEqual([inbox().length, spam().length], [5, 1]);
    nothingFound(page, await shell(doctor));
  });
});
