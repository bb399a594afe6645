/** The commands of docs/laptop.md in their order: set up, send, fetch a genuine and a forged bounce, sweep. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { fieldOf, Home, qsbmf, type Ran, ROOT } from "../rig.ts";
import { COUNTERSIGN } from "../admin/run.ts";
import { fetched, forged } from "../admin/sweep.ts";
import { Authority } from "../certificates.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Sink } from "../smtp_sink.ts";
import { lacking, tests } from "./need.ts";

const test = tests([await lacking("mutt"), await lacking("openssl")].filter((reason) => reason !== "").join(", "));
const page = new Page("docs/laptop.md");

Deno.test("docs/laptop.md: the accounts are valid", () => {
  const text = `[[identity]]\naddress = "greg@example.org"\n${page.blocks("toml")[1]!}`;
  const { account, identity } = parseConfig(text, { file: "/home/greg/config.toml", home: "/home/greg" });
  assert.deepEqual(account.map(({ name }) => name), ["home", "work"]);
  assert.ok(page.code("settings, run").includes(identity[1]!.address));
});

test("docs/laptop.md: the commands, in their order", async () => {
  using authority = await Authority.make();
  await using sink = new Sink({ extensions: ["AUTH PLAIN"] }, await authority.leaf("DNS:localhost"));
  using home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  home.write("bin/countersign", `#!/bin/sh\nexec ${COUNTERSIGN.map((word) => `'${word}'`).join(" ")} "$@"\n`, 0o755);
  const sh = async (text: string): Promise<Ran> => {
    const ran = await home.run(["/bin/sh", "-e"], text);
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${text}${ran.stdout}${ran.stderr}`);
    return ran;
  };
  const [init, sweep, check, ...more] = page.blocks("sh") as [string, string, string];
  assert.deepEqual(more, []);
  const server = `--host localhost --port ${sink.port} --ca ${authority.ca}`;
  assert.ok(init.includes("--host smtp.example.org"));
  await sh(init.replace("--host smtp.example.org", server));
  const password = page.code("Then run");
  assert.deepEqual(await home.run(["/bin/sh", "-ec", password], "correct horse\n"), {
    code: 0,
    stdout: "",
    stderr: "",
  });

  const [muttrc] = page.blocks("muttrc") as [string];
  home.write(".muttrc", `set copy=no\n${muttrc.replace("/usr/local/bin", `${ROOT}/shim`)}`);
  const argv = ["mutt", "-n", "-s", "Lunch?", "--", "nobody@mx.example.net"];
  const sent = await home.run(argv, "At one?\n", { LC_ALL: "C.UTF-8", USER: "greg" });
  assert.deepEqual(sent, { code: 0, stdout: "", stderr: "" });
  const [accepted] = sink.accepted;
  const mail = accepted!.data.replaceAll("\r\n", "\n");
  assert.match(fieldOf(mail, "X-Msgauth"), /^v1\./);

  for (const folder of ["tmp", "new", "cur"]) Deno.mkdirSync(`${home.path}/Mail/Inbox/${folder}`, { recursive: true });
  home.write("Mail/Inbox/new/1.x", fetched(qsbmf("greg@example.org", mail)));
  home.write("Mail/Inbox/new/2.x", forged());
  // "For 14 days forged bounces are only marked"
  assert.match((await sh(sweep)).stdout, /^2 messages judged: 1 genuine, 1 suspect\n$/);
  assert.equal(home.mails("Mail/Spam").length, 0);
  const config = home.read(".config/countersign/config.toml");
  assert.match(config, /^since = /m);
  home.write(".config/countersign/config.toml", config.replace(/^since = .*/m, "since = 2026-01-01"));
  const checked = await sh(check);
  assert.match(
    checked.stdout,
    /^2 messages judged: 1 genuine, 1 forged\n1 message would be moved to [^]*result=genuine/,
  );
  home.write("Mail/Inbox/new/3.x", forged(3));
  assert.match((await sh(sweep)).stdout, /^1 message judged: 1 forged\n1 message moved to /);
  assert.deepEqual(home.mails("Mail/Spam"), [forged(3)]);

  // The outbox: the server is not there, then it is.
  home.write(".config/countersign/config.toml", `${config}\n${page.blocks("toml")[0]!}`);
  await sh("countersign sandbox");
  sink.answers = { greeting: "421 Later" };
  assert.deepEqual(await home.run(argv, "At two?\n", { LC_ALL: "C.UTF-8", USER: "greg" }), sent);
  assert.match((await sh("countersign outbox list")).stdout, /nobody@mx\.example\.net/);
  assert.equal(sink.accepted.length, 1);
  sink.answers = { extensions: ["AUTH PLAIN"] };
  const [cron] = page.blocks("crontab") as [string];
  const line = cron.trim().replace(/^(?:\* ){5}\/usr\/local\/bin\//, "");
  assert.match(line, /^countersign outbox run$/);
  // The first attempt was less than a minute ago, so that run would send nothing yet.
  await sh("countersign outbox flush");
  assert.equal(sink.accepted.length, 2);
  assert.match(sink.accepted[1]!.data, /At two\?/);
});
