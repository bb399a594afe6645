/** contrib/doorbell with a driver in place of qmail-local. */
import assert from "node:assert/strict";
import { qmailLocal } from "../../build/rig/qmail.ts";
import { CREATED, Home, ROOT } from "../rig.ts";
import { ANN, heldCount, program, reply, replyTo, request, runs } from "../doorbell/home.ts";

const FILES = [".qmail-svc", ".qmail-svc-confirm-default"];

/** greg's home with the files of contrib/doorbell. */
function contribHome(): Home {
  const home = new Home();
  const read = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/doorbell/${name}`);
  for (const name of FILES) {
    const text = read(`greg/${name}`).replaceAll("/usr/local/lib/countersign", ROOT);
    home.write(name, text.replaceAll("/home/greg/bin", home.path));
  }
  home.write(".config/countersign/doorbell-keys", `k1 ${CREATED} a secret of the doorbell\n`, 0o600);
  home.write(".config/countersign/terms/en", "The list has 20 messages a day.\n");
  home.write(".config/countersign/terms/de", "Die Liste hat 20 Nachrichten am Tag.\n");
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "${home.path}/out"\n${read("config.toml")}`);
  program(home);
  return home;
}

Deno.test("the files of contrib/doorbell hold a request until it is confirmed", async () => {
  using home = contribHome();
  const host = "example.org";
  const mail = request(ANN, "Accept-Language: fr, de-AT;q=0.8, en;q=0.5\n");
  const held = await qmailLocal(home, { sender: ANN, ext: "svc", host }, mail);
  assert.deepEqual([held.end, held.runs.map(({ code }) => code), runs(home), heldCount(home)], [
    "success",
    [99],
    [],
    1,
  ]);
  const [challenge] = home.mails("out") as [string];
  assert.match(challenge, /\nDie Liste hat 20 Nachrichten am Tag\.\n/);
  assert.doesNotMatch(challenge, /20 messages/);
  const ext = /^greg-(.*)@example\.org$/.exec(replyTo(challenge))![1]!;
  const done = await qmailLocal(home, { sender: ANN, ext, host }, reply(`greg-${ext}@${host}`));
  assert.deepEqual([done.end, done.runs.map(({ code }) => code), heldCount(home)], ["success", [99], 0]);
  assert.deepEqual(runs(home), [`confirmed ${ANN} ${ANN}`]);
  assert.equal(home.read("got"), mail);
});
