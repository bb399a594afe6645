/** docs/doorbell.md in its order: set up, a request by the real mutt, the challenge, the reply, the log. */
import assert from "node:assert/strict";
import { parseConfig } from "../../lib/settings/parse.ts";
import { qmailLocal } from "../../build/rig/qmail.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { heldCount, replyTo } from "../doorbell/home.ts";
import { Page } from "../page.ts";
import { Home, ROOT } from "../rig.ts";
import { need } from "./need.ts";

const test = await need("mutt");
const page = new Page("docs/doorbell.md");
const [SVC, GATE] = page.blocks("toml") as [string, string];
const ANN = "ann@friend.example";
const HOST = "example.org";

Deno.test("docs/doorbell.md: the tables of settings are valid, and so are the defaults that it names", () => {
  const identity =
    `[[identity]]\naddress = "greg@example.org"\nkeys = "keys"\n[transport]\nvia = "smtp"\nhost = "mx"\n`;
  const { doorbell } = parseConfig(`${identity}${SVC}${GATE}`, { file: "/home/greg/config.toml", home: "/home/greg" });
  assert.deepEqual(doorbell.map(({ name, address, remember_ok }) => [name, address, remember_ok]), [
    ["svc", "greg-svc@example.org", false],
    ["list", "greg-list@example.org", true],
  ]);
  const { hourly, lifetime, max_held, max_bytes } = doorbell[0]!;
  const prose = page.text.replaceAll(/\s+/g, " ");
  assert.ok(prose.includes(`all addresses together ${hourly} an hour (\`doorbell.hourly\`)`));
  assert.ok(prose.includes(`deleted after ${lifetime} days (\`doorbell.lifetime\`)`));
  assert.ok(prose.includes(`more than ${max_held.toLocaleString("en")} messages or ${max_bytes / 1e6} MB are held`));
});

/** Digits as 0 and letters of an ID or cookie as x, so that two challenges can be compared. */
const shape = (text: string) =>
  text.replaceAll(/[a-z2-7]{12}-\d{5}-[a-z2-7]{16}/g, "COOKIE").replaceAll(
    /[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} .*/g,
    "DATE",
  )
    .replaceAll(/\d{4}-\d\d-\d\d/g, "DAY");

test("docs/doorbell.md: the steps, in their order", async () => {
  using home = new Home();
  home.write("bin/countersign", `#!/bin/sh\nexec ${COUNTERSIGN.map((word) => `'${word}'`).join(" ")} "$@"\n`, 0o755);
  const sh = async (text: string): Promise<string> => {
    const ran = await home.run(["/bin/sh", "-e"], text);
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${text}${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const here = (text: string) =>
    text.replaceAll("/usr/local/lib/countersign", ROOT).replaceAll("/home/greg", home.path);
  const [terms, write, look, ...more] = page.blocks("sh") as [string, string, string];
  assert.deepEqual(more, []);
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "${home.path}/out"\n${SVC}`);
  assert.match(await sh(terms), /^k1 signs for doorbell svc from now on$/m);
  home.write("bin/subscribe", here(page.blocks("bash")[0]!), 0o755);
  for (const name of [".qmail-svc", ".qmail-svc-confirm-default"]) home.write(name, here(page.blocks("qmail")[0]!));
  const doctor = page.code("5.");
  assert.doesNotMatch((await home.run(["/bin/sh"], doctor)).stdout, /\[doorbell-/);

  // ann writes with mutt, to greg's server.
  const sendmail = home.write("bin/sends", `#!/bin/sh\ncat >"${home.path}/request"\n`, 0o755);
  home.write(".muttrc", `set sendmail="${sendmail}" from="${ANN}" realname="Ann" copy=no\n`);
  await sh(write);
  const request = home.read("request");
  const held = await qmailLocal(home, { sender: ANN, ext: "svc", host: HOST }, request);
  assert.deepEqual([held.end, heldCount(home), home.read("subscribers")], ["success", 1, ""]);

  const [list, shown] = page.blocks("text") as [string, string];
  const line = (text: string) =>
    text.replace(/^[a-z2-7]{12}/, "ID").replace(/\d{4}-\d\d-\d\d \d\d:\d\d/, "TIME").replace(/ +\d+ {2}/, " SIZE ");
  const [read] = look.split("\n") as [string];
  assert.equal(line(await sh(read)), line(list));
  const [challenge] = home.mails("out") as [string];
  const names = shown.split("\n\n")[0]!.split("\n").map((one) => one.split(":")[0]);
  const [head, body] = [challenge.slice(0, challenge.indexOf("\n\n")), challenge.slice(challenge.indexOf("\n\n"))];
  const fields = names.map((name) => head.split("\n").find((one) => one.startsWith(`${name}:`)));
  assert.equal(shape(`${fields.join("\n")}${body}`), shape(shown));
  assert.match(body, /20 messages/);

  const to = replyTo(challenge);
  const reply = `From: Ann <${ANN}>\nTo: ${to}\nSubject: Re: Auto: subscribe\n\nAny text.\n`;
  const ext = to.slice("greg-".length, to.indexOf("@"));
  for (let twice = 0; twice < 2; twice++) {
    assert.equal((await qmailLocal(home, { sender: ANN, ext, host: HOST }, reply)).end, "success");
  }
  assert.equal(home.read("subscribers"), `${ANN}\n`);
  assert.match(await sh(look), /^time=\S+ doorbell=svc sender=@friend\.example result=known outcome=delivered why=/);
});
