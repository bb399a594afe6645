/** Debian's vacation gets a challenge: it confirms nothing, and the two do not answer each other forever. */
import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { type Home, isFile } from "../rig.ts";
import { ANN, heldCount, replyTo, request, ring, runs, serviceHome, SVC } from "../doorbell/home.ts";
import { need } from "./need.ts";

const test = await need("vacation");

/** The path of sendmail in the program, and a replacement of the same length: vacation has no option for it. */
const [REAL, FAKE] = ["/usr/sbin/sendmail", "./bin/fakesendmail"];

/** ann's home with vacation, whose replies become files. */
function onHoliday(home: Home): void {
  const program = decodeLatin1(Deno.readFileSync("/usr/bin/vacation"));
  assert.equal(program.split(REAL).length, 2);
  home.write("bin/vacation", encodeLatin1(program.replace(REAL, FAKE)), 0o755);
  home.write(FAKE, '#!/bin/sh\n{ printf "%s\\n" "$*"; cat; } >sent.new && mv sent.new sent\n', 0o755);
  home.write(".vacation.msg", "From: Ann <ann@friend.example>\nSubject: I am on vacation\n\nUntil July.\n");
}

/**
 * Delivers a message to vacation.
 *
 * @returns the envelope sender of its reply, its recipient and the reply, if it sends one
 */
async function vacation(home: Home, options: string[], mail: string) {
  const user = new TextDecoder().decode(new Deno.Command("id", { args: ["-un"] }).outputSync().stdout).trim();
  const files = ["-f", `${home.path}/.vacation`, "-m", `${home.path}/.vacation.msg`];
  const before = await noted(home, files, user);
  const argv = [`${home.path}/bin/vacation`, "-d", "-a", "ann", ...files, ...options, user];
  assert.equal((await home.run(argv, mail)).code, 0);
  if (await noted(home, files, user) === before) return undefined;
  // It does not wait for sendmail.
  for (let tries = 0; tries < 1000; tries++) {
    if (!isFile(`${home.path}/sent`)) {
      await new Promise((done) => setTimeout(done, 10));
      continue;
    }
    const [first, ...rest] = home.read("sent").split("\n");
    Deno.removeSync(`${home.path}/sent`);
    const [, sender, to] = /^-f (\S+) -- (\S+)$/.exec(first!)!;
    return { sender: sender === "<>" ? "" : ANN, to: to!, mail: rest.join("\n") };
  }
  assert.fail("vacation sent nothing");
}

/** What its database contains: the addresses that got a reply. */
const noted = async (home: Home, files: string[], user: string): Promise<string> =>
  (await home.run([`${home.path}/bin/vacation`, "-l", ...files, user])).stdout;

for (const options of [[], ["-z"]]) {
  test(`vacation ${options.join(" ")}: it does not reply to a challenge`, async () => {
    using home = serviceHome();
    onHoliday(home);
    await ring(home, ANN, SVC, request());
    const [challenge] = home.mails("out") as [string];
    // As greg's server, and as one that writes no Return-Path.
    for (
      const mail of [
        challenge,
        `From MAILER-DAEMON Fri Nov 20 05:32:58 2026\n${challenge.split("\n").slice(1).join("\n")}`,
      ]
    ) {
      assert.equal(await vacation(home, options, mail), undefined);
    }
    // It does work: a person gets a reply.
    const person = `Return-Path: <bob@friend.example>\nTo: ${ANN}\nSubject: Hello\n\nHello.\n`;
    assert.equal((await vacation(home, options, person))?.to, "bob@friend.example");
  });

  test(`vacation ${options.join(" ")}: behind a gateway that makes the challenge look like a person's mail, it confirms nothing, and both end`, async () => {
    using home = serviceHome();
    onHoliday(home);
    await ring(home, ANN, SVC, request());
    for (let round = 0; round < 5; round++) {
      const challenge = home.mails("out")[round];
      if (challenge === undefined) break;
      const looks = challenge.replace(/^Return-Path: .*/, `Return-Path: <${SVC}>`).replace(
        /^Auto-Submitted: .*\n/m,
        "",
      );
      const reply = await vacation(home, options, looks);
      if (reply === undefined) break;
      // It writes to the sender of the challenge, and never to the address that confirms.
      assert.deepEqual([reply.to, replyTo(challenge) === reply.to], [SVC, false]);
      await ring(home, reply.sender, reply.to, reply.mail);
    }
    assert.deepEqual(runs(home), []);
    // With -z its reply has the null sender, which is not asked. Otherwise it is asked once, and vacation is silent.
    assert.deepEqual([home.mails("out").length, heldCount(home)], [options.length > 0 ? 1 : 2, 2]);
  });
}
