/**
 * Faults of `countersign serve` under a real Postfix: killed, restarted, its disk full, keys gone, too many sessions,
 * slow peers. Port 25 accepts, submission is deferred; no message is lost, duplicated or signed for the wrong user.
 */
import assert from "node:assert/strict";
import { fieldOf, qsbmf } from "../rig.ts";
import { MAX_CONNECTIONS } from "../../serve/sockets/server.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, isPlain, isSigned, keyLine, letter, MilterHost, run } from "./postfix_milter.ts";
import { ANN, GREG, LIE, srs } from "./site.ts";
import { Client } from "./smtp_session.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;
const forged = qsbmf(plain, LIE);

test("serve is killed while messages arrive", async (t) => {
  const installed = await installOnce();
  await using host = await MilterHost.start(installed, {
    // The default is half a minute.
    edit: (name, text) => name === "config" ? text : text.replaceAll("default_action=", "command_timeout=2s, $&"),
  });
  let count = 0;

  await t.step("during a message: the client is deferred, and sends it again", async () => {
    const client = await Client.open(host.submission);
    for (
      const line of [`XCLIENT LOGIN=${GREG}`, "EHLO again", `MAIL FROM:<${plain}>`, "RCPT TO:<jo@far.example>", "DATA"]
    ) {
      assert.match(await client.say(line), /^[23]/, line);
    }
    await host.engine.crash();
    assert.match(await client.say(`${letter(GREG, "killed").replaceAll("\n", "\r\n")}.`), /^4\d\d /);
    client[Symbol.dispose]();
    await host.engine.start();
    assert.match(await host.submit(GREG, plain, letter(GREG, "killed")), /^250/);
    isSigned(await host.sent(++count));
  });

  await t.step("port 25 accepts for the hook", async () => {
    const client = await Client.open(host.postfix.port);
    for (const line of ["MAIL FROM:<>", `RCPT TO:<${plain}>`, "DATA"]) assert.match(await client.say(line), /^[23]/);
    await host.engine.crash();
    assert.match(await client.say(`${forged.replaceAll("\n", "\r\n")}\r\n.`), /^250 /);
    client[Symbol.dispose]();
    await until("the hook", () => host.site.mails(GREG, "Maildir/.Spam").length === 1, host.trouble);
    await host.engine.start();
    assert.match(await smtp(host.postfix.port, "", plain, forged), /^550/);
  });

  await t.step("it hangs: the mail server continues after its timeout", async () => {
    host.engine.signal("SIGSTOP");
    try {
      const [bounce, submitted] = await Promise.all([
        smtp(host.postfix.port, "", plain, forged),
        host.submit(GREG, plain, letter(GREG, "hangs")),
      ]);
      assert.deepEqual([bounce.slice(0, 3), submitted.slice(0, 3)], ["250", "451"]);
    } finally {
      host.engine.signal("SIGCONT");
    }
    assert.match(await smtp(host.postfix.port, "", plain, forged), /^550/);
    assert.match(await host.submit(GREG, plain, letter(GREG, "hangs")), /^250/);
    isSigned(await host.sent(++count));
  });

  await t.step(
    "it is stopped in the middle of a message, which it finishes; the next waits for the restart",
    async () => {
      using client = await Client.open(host.submission);
      for (
        const line of [
          `XCLIENT LOGIN=${GREG}`,
          "EHLO again",
          `MAIL FROM:<${plain}>`,
          "RCPT TO:<jo@far.example>",
          "DATA",
        ]
      ) {
        assert.match(await client.say(line), /^[23]/, line);
      }
      host.engine.kill("SIGTERM");
      await until("the end of the sockets", async () => !await host.engine.listens("sign"), host.trouble);
      assert.match(await host.submit(GREG, plain, letter(GREG, "next")), /^451/);
      assert.match(await client.say(`${letter(GREG, "finished").replaceAll("\n", "\r\n")}.`), /^250/);
      isSigned(await host.sent(++count));
      assert.equal(await host.engine.stop(), 0);
      await host.engine.start();
      assert.match(await host.submit(GREG, plain, letter(GREG, "next")), /^250/);
      isSigned(await host.sent(++count));
    },
  );

  await t.step("repeatedly, with many clients: each message is delivered once, signed by its author only", async () => {
    const users = [GREG, ANN];
    const jobs = Array.from({ length: 48 }, (_, nth) => ({ id: `load-${nth}`, user: users[nth % 2]! }));
    const left = [...jobs];
    let working = true;
    const client = async () => {
      for (let job; (job = left.shift()) !== undefined;) {
        const mail = letter(job.user, job.id);
        for (;;) {
          const answer = await host.submit(job.user, `${job.user}@example.org`, mail).catch((error) => `${error}`);
          if (/^250/.test(answer)) break;
          assert.match(answer, /^4\d\d |hung up/);
          await new Promise((next) => setTimeout(next, 20));
        }
      }
    };
    const killer = (async () => {
      for (let kills = 0; kills < 3 || working; kills++) {
        await new Promise((next) => setTimeout(next, 150));
        await host.engine.crash();
        await host.engine.start();
        if (kills > 20) break;
      }
    })();
    await Promise.all(Array.from({ length: 6 }, client));
    working = false;
    await killer;
    await host.sent(count + jobs.length);
    await until("the empty queue", async () => await host.postfix.queued() === 0, host.trouble);
    const accepted = host.sink.accepted.slice(count);
    assert.equal(accepted.length, jobs.length);
    const ids = accepted.map(({ mail }) => fieldOf(mail, "Message-ID")).sort();
    assert.deepEqual(ids, jobs.map(({ id }) => `<${id}@example.org>`).sort());
    for (const one of accepted) isSigned(one, fieldOf(one.mail, "From").split("@")[0]!);
    count += jobs.length;
  });
});

test("serve cannot write, or cannot read keys", async (t) => {
  const installed = await installOnce();
  const state = `${installed.home.path}/state`;
  Deno.mkdirSync(state);
  run("mount", "-t", "tmpfs", "-o", "size=128k,mode=0755", "tmpfs", state);
  try {
    await using host = await MilterHost.start(installed, { state });
    let count = 0;
    const sent = async (login: string, mail: string) => {
      assert.match(await host.submit(login, `${login}@example.org`, mail), /^250/, host.trouble());
      return await host.sent(++count);
    };
    const spam = () => host.site.mails(GREG, "Maildir/.Spam").length;
    const passes = async () => {
      const before = spam();
      assert.match(await smtp(host.postfix.port, "", plain, forged), /^250/);
      await until("the hook", () => spam() === before + 1, host.trouble);
    };

    await t.step(
      "without keys, greg's mail is deferred, and incoming mail that depends on keys is accepted",
      async () => {
        const lost = srs(GREG, new Date(), "mallory");
        Deno.removeSync(`${host.home.path}/site/keys/${GREG}`);
        await host.engine.reload("reloaded");
        assert.match(await host.submit(GREG, plain, letter(GREG, "keyless")), /^451 4\.3\.0 .*cannot be signed now/);
        isSigned(await sent(ANN, letter(ANN, "ann")), ANN);
        assert.match(await smtp(host.postfix.port, "", lost, forged), /^250/);
        await until("the hook", () => spam() === 1, host.trouble);
        await passes();

        Deno.removeSync(`${host.home.path}/site/keys/${ANN}`);
        await host.engine.reload("kept"); // without any readable key the previous ones remain in use
        isSigned(await sent(ANN, letter(ANN, "kept")), ANN);
        for (const user of [GREG, ANN]) host.engine.key(user, keyLine(user));
        await host.engine.reload("reloaded");
        isSigned(await sent(GREG, letter(GREG, "back")));
        assert.match(await smtp(host.postfix.port, "", lost, forged), /^550/);
        assert.match(await smtp(host.postfix.port, "", plain, forged), /^550/);
      },
    );

    await t.step("on a full disk, mail is signed and sent, and the door no longer rejects by content", async () => {
      using file = Deno.openSync(`${state}/fill`, { write: true, createNew: true });
      try {
        for (;;) if (file.writeSync(new Uint8Array(4096)) === 0) break;
      } catch {
        // The disk is full.
      }
      isSigned(await sent(GREG, letter(GREG, "full")));
      await passes();
      // Rejection by the address needs no disk.
      assert.match(await smtp(host.postfix.port, "", srs(GREG, new Date(), "mallory"), forged), /^550/);
      assert.equal(await host.engine.stop(), 0);
      await host.engine.start();
      await passes();
    });

    await t.step("afterwards, the forgotten message is still recorded", async () => {
      Deno.removeSync(`${state}/fill`);
      isSigned(await sent(GREG, letter(GREG, "free")));
      await passes();
    });
    assert.equal(host.sink.accepted.length, count);
  } finally {
    run("umount", "-l", state); // serve, which runs still, keeps its log open
  }
});

test("serve gets more sessions than its limit, and peers that stop sending", async (t) => {
  const installed = await installOnce();
  await using host = await MilterHost.start(installed);
  const sockets = async (role: "door" | "sign", count: number): Promise<Deno.UnixConn[]> => {
    const open: Deno.UnixConn[] = [];
    const path = `${host.engine.sockets}/${role}`;
    while (open.length < count) {
      try {
        open.push(await Deno.connect({ transport: "unix", path }));
      } catch (error) {
        // The backlog of the socket is full.
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await new Promise((next) => setTimeout(next, 5));
      }
    }
    return open;
  };

  await t.step("peers that send a byte and wait do not disturb others", async () => {
    const slow = [...await sockets("door", 50), ...await sockets("sign", 50)];
    for (const one of slow) await one.write(new Uint8Array(1));
    assert.match(await smtp(host.postfix.port, "", plain, forged), /^550/);
    assert.match(await host.submit(GREG, plain, letter(GREG, "slow")), /^250/);
    isSigned(await host.sent(1));
    for (const one of slow) one.close();
  });

  await t.step("at the session limit, port 25 accepts and submission is deferred", async () => {
    const open = [...await sockets("door", MAX_CONNECTIONS), ...await sockets("sign", MAX_CONNECTIONS)];
    await until("the limit", async () => /^250/.test(await smtp(host.postfix.port, "", plain, forged)), host.trouble);
    assert.match(await host.submit(GREG, plain, letter(GREG, "busy")), /^451/);
    assert.match(host.engine.stderr, new RegExp(`^door: Limit of ${MAX_CONNECTIONS} connections reached`, "m"));
    for (const one of open) one.close();
    await until(
      "free places",
      async () => /^250/.test(await host.submit(GREG, plain, letter(GREG, "free"))),
      host.trouble,
    );
    isSigned(await host.sent(2));
    assert.match(await smtp(host.postfix.port, "", plain, forged), /^550/);
  });

  await t.step("forty concurrent clients get the same responses as one", async () => {
    const before = host.sink.accepted.length;
    const answers = await Promise.all(
      Array.from(
        { length: 40 },
        (_, nth) =>
          nth % 4 === 0
            ? smtp(host.postfix.port, "", plain, forged)
            : host.submit(nth % 4 === 1 ? ANN : GREG, plain, letter(GREG, `many-${nth % 4}-${nth}`)),
      ),
    );
    answers.forEach((answer, nth) => assert.match(answer, nth % 4 === 0 ? /^550/ : /^250/));
    await host.sent(before + 30);
    for (const one of host.sink.accepted.slice(before)) {
      if (fieldOf(one.mail, "Message-ID").startsWith("<many-1-")) isPlain(one);
      else isSigned(one);
    }
    assert.equal(new Set(host.sink.accepted.map(({ mail }) => fieldOf(mail, "Message-ID"))).size, before + 30);
  });
});
