/** docs/submission.md in its order: from a home with a working shim to mail of swaks, with the installed submitd. */
import assert from "node:assert/strict";
import { Page } from "../page.ts";
import { fieldOf } from "../rig.ts";
import { stub, stubArguments, stubInput, stubRuns } from "../stub.ts";
import { MAIL, RawSmtp } from "../submit/raw_smtp.ts";
import { muttrcOf, nothingFound } from "./mutt_page.ts";
import { lacking, lackingPerl, tests } from "./need.ts";
import { freePort, until } from "./postfix.ts";
import { SubmitdSite } from "./submitd_site.ts";

// Without the module, which swaks only recommends, it has no TLS.
const missing = [await lacking("swaks"), await lackingPerl("Net::SSLeay")];
const test = tests(missing.filter((reason) => reason !== "").join(", "));
const page = new Page("docs/submission.md");
const before = new Page("docs/mutt-qmail.md");
const CONFIG = ".config/countersign/config.toml";
const PASSWORD = "secret";

test("docs/submission.md, from a working shim to a message of a phone", async (t) => {
  await using site = await SubmitdSite.empty();
  const { home } = site;
  const shell = async (text: string, input = ""): Promise<string> => {
    const ran = await site.run(["/bin/sh", "-ec", text], input);
    assert.deepEqual([ran.code, ran.stderr], [0, ""], `${text}${ran.stdout}${ran.stderr}${site.stderr}`);
    return ran.stdout;
  };
  /** Changes a setting while submitd runs. */
  const configure = async (table: string, line: string) => {
    const [name] = line.split(" ");
    const lines = home.read(CONFIG).split("\n").filter((one) => !one.startsWith(`${name} =`));
    const at = lines.indexOf(`[${table}]`);
    if (at < 0) lines.push(`[${table}]`, line);
    else lines.splice(at + 1, 0, line);
    Deno.writeTextFileSync(`${home.path}/${CONFIG}`, `${lines.join("\n")}\n`);
    await shell("countersign sandbox");
    const reloads = () => site.stderr.split("were reloaded").length;
    const count = reloads();
    Deno.kill(site.pid, "SIGHUP");
    await until("the reload", () => reloads() > count, () => site.stderr);
  };
  const [init, add, start, tryIt, ...more] = page.blocks("sh") as [string, string, string, string];
  assert.deepEqual(more, []);
  const [port, tls] = [freePort(), freePort()];

  // "the shim already works for you"
  await shell(`${before.block(/^countersign init/).trim()} --command ${stub(home)}`);
  home.write(".muttrc", muttrcOf(before).replace("/usr/local/bin/shim", (await shell("command -v shim")).trim()));
  await site.own();

  await t.step("set it up", async () => {
    const folder = page.code("`privkey.pem` into").replace("~", home.path);
    for (const [from, to] of [["cert.pem", "fullchain.pem"], ["key.pem", "privkey.pem"]]) {
      Deno.renameSync(`${home.path}/${from}`, `${folder}/${to}`);
    }
    await shell(page.code("`~/.config/countersign`, and run"));
    const printed = await shell(
      init.replace("[::]:2587", `127.0.0.1:${port}`).replace("[::]:2465", `127.0.0.1:${tls}`),
    );
    assert.ok(printed.includes(add.trim().replace(/--file \S+ (\S+)$/, `$1 --file ${folder}/users`)), printed);
    assert.ok(home.read(CONFIG).includes('logins = [ "greg" ]'), home.read(CONFIG));
    await shell(add, `${PASSWORD}\n`);
    assert.equal(start.trim(), "countersign submitd");
    await site.start();
    assert.deepEqual([site.port, site.tls], [port, tls]);
  });

  const [doctor, swaks, log] = tryIt.trim().split("\n") as [string, string, string];
  /** Runs swaks as on the page. @returns its exit status, and the session */
  const send = async (options = "", password = PASSWORD) => {
    const line = `${swaks.replace("mx.example.org:2587", `localhost:${port}`)} ${options}`;
    const ran = await site.run(["/bin/sh", "-ec", line], `${password}\n`);
    return { code: ran.code, session: ran.stdout + ran.stderr };
  };

  await t.step("try it", async () => {
    nothingFound(before, await shell(doctor));
    const { code, session } = await send();
    assert.equal(code, 0, session);
    assert.equal(stubRuns(home), 1);
    assert.match(stubArguments(home)[2]!, /^SRS0=.*@srs\.example\.org$/);
    assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\./);
    assert.match(await shell(log), / direction=out .*identity=greg@example\.org .* login=greg .*result=sent/);
  });

  await t.step("before TLS no login is offered; a wrong password is refused", async () => {
    const plain = await site.run(
      ["/bin/sh", "-ec", swaks.replace("mx.example.org:2587", `localhost:${port}`).replace(" --tls", "")],
      `${PASSWORD}\n`,
    );
    assert.match(plain.stdout + plain.stderr, /Host did not advertise authentication/);
    const wrong = await send("", "another");
    assert.match(wrong.session, /<~\* 535 /);
    assert.equal(stubRuns(home), 1);
  });

  await t.step("who may send as whom", async () => {
    const rows = [...page.text.matchAll(/^\| `("\w+")`.*\| (.*?) +\|$/gm)].map((
      [, value, meaning],
    ) => [value, meaning]);
    assert.deepEqual(rows.map(([value]) => value), ['"identities"', '"login"', '"any"']);
    // greg's address, one with greg as local part, and a foreign one: which may be sender and From.
    const allowed: Record<string, boolean[]> = {
      '"identities"': [true, false, false],
      '"login"': [true, true, false],
      '"any"': [true, true, true],
    };
    for (const [value] of rows) {
      await configure("submit", `check_sender = ${value}`);
      using client = await RawSmtp.greg(tls, site.ca);
      for (const [at, address] of ["greg@example.org", "greg@other.example", "eve@example.com"].entries()) {
        const foreign = MAIL.replace("From: greg@example.org", `From: ${address}`);
        for (const [mail, sender] of [[MAIL, address], [foreign, "greg@example.org"], [foreign, ""]] as const) {
          const what = `${value} ${address} ${sender}`;
          const runs = stubRuns(home);
          const reply = await client.submit(mail, sender);
          if (allowed[value!]![at]) {
            assert.equal(reply, "250 2.0.0 Ok", what);
            assert.equal(stubRuns(home), runs + 1, what);
            const own = address === "greg@example.org" && sender !== "";
            assert.deepEqual([/^SRS0=/.test(stubArguments(home)[2]!), /^X-Msgauth:/m.test(stubInput(home))], [
              own,
              own,
            ]);
          } else {
            assert.match(reply, /^550 5\.7\.1 Not sent: /, what);
            assert.equal(stubRuns(home), runs, what);
          }
        }
      }
    }
  });

  await t.step("a login that no identity lists cannot send", async () => {
    await shell(add.replace(/greg$/m, "ann"), "hers\n");
    const { session } = await send("--auth-user ann", "hers");
    assert.match(session, /<~\* 550 5\.7\.1 This login may not send as any address/);
  });

  await t.step("the next server is down: the client keeps the message, or the outbox does", async () => {
    stub(home, "exit 75");
    await site.own();
    assert.match((await send()).session, /<~\* 451 /);
    await configure("outbox", 'when = "failed"');
    assert.match((await send()).session, /<~ {2}250 2\.0\.0 Ok/);
    assert.match(await shell("countersign outbox list"), /postmaster@example\.org/);
  });

  await t.step("failed logins: 3 end a connection, and 20 refuse the address", async () => {
    const fail = async () => {
      using client = await RawSmtp.tls(tls, site.ca);
      await client.say("EHLO phone.example");
      const replies = [];
      do replies.push((await client.logIn("greg", "wrong")).slice(0, 3)); while (replies.at(-1) === "535");
      return replies.join(" ");
    };
    // Two logins of doctor and two of swaks have failed before.
    assert.equal(site.stderr.match(/: login failed /g)?.length, 4, site.stderr);
    const five = await Promise.all([1, 2, 3, 4, 5].map(fail));
    assert.deepEqual(five, Array(5).fill("535 535 421"));
    assert.equal(await fail(), "421");
    await assert.rejects(RawSmtp.tls(tls, site.ca));
  });
});
