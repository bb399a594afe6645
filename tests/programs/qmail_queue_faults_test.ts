/** hooks/queue when something fails: the message goes to qmail-queue, and the statuses are those of qmail-queue. */
import assert from "node:assert/strict";
import { listenAt } from "../../serve/sockets/listen.ts";
import { ROOT } from "../rig.ts";
import { FORGED, LETTER, PLAIN, tagged } from "../serve/at_door.ts";
import { QueueSite, RAW } from "./qmail_site.ts";
import { qmailSmtpd, queued } from "./qmail_smtpd.ts";

Deno.test("if anything fails, the message goes to qmail-queue", async (t) => {
  await using site = await QueueSite.start();
  const arrives = async (pattern: RegExp, env: Record<string, string>) => {
    const before = queued(site.home).length;
    const sent = await site.send("", [PLAIN], FORGED, { env });
    assert.deepEqual([sent.code, sent.reply], [0, "250 ok"]);
    assert.match(sent.stderr, pattern);
    assert.equal(sent.stderr.trimEnd().split("\n").length, 1, sent.stderr);
    assert.equal(queued(site.home).length, before + 1);
  };
  const at = (name: string) => `${site.home.path}/${name}`;
  await t.step(
    "serve was never started",
    () =>
      arrives(/^ask: .*lookup: Request to countersign serve failed: .*; the mail is accepted$/m, {
        COUNTERSIGN_LOOKUP: at("lookup"),
      }),
  );
  await t.step(
    "the socket has a name that Deno cannot express",
    () => arrives(/^ask: COUNTERSIGN_LOOKUP is not an absolute path/, { COUNTERSIGN_LOOKUP: "/a,b" }),
  );
  await t.step("Deno is missing", () => arrives(/^ask: Deno \(deno\) is missing/, { PATH: "/usr/bin:/bin" }));
  await t.step(
    "there is no room for temporary files",
    () => arrives(/^queue: .*nowhere cannot be written; the message is not examined/, { TMPDIR: at("nowhere") }),
  );
  await t.step("only one of the temporary files can be created: nothing is left", async () => {
    const line = `#!/bin/sh\nmkdir -p "${at("countersign.half")}/envelope" && echo "${at("countersign.half")}"\n`;
    const folder = site.home.write("half/mktemp", line, 0o755).replace(/\/mktemp$/, "");
    await arrives(/^queue: .*half cannot be written; the message is not examined$/m, {
      PATH: `${folder}:${site.home.path}/bin:/usr/bin:/bin`,
    });
    assert.throws(() => Deno.statSync(at("countersign.half")), Deno.errors.NotFound);
  });
  await t.step("serve stops during a query", async () => {
    const path = at("stopping");
    const listener = Deno.listen({ transport: "unix", path });
    const stopping = (async () => {
      using one = await listener.accept();
      await one.read(new Uint8Array(10));
    })();
    await arrives(/^ask: .*(?:closed the connection|reset).*; the mail is accepted$/m, { COUNTERSIGN_LOOKUP: path });
    await stopping;
    listener.close();
  });
  await t.step("the message cannot be read to its end: a genuine bounce would look forged", async () => {
    const bounce = tagged();
    const cut = `/usr/bin/head -c ${bounce.indexOf("X-Msgauth")} "$2"`;
    const line = `#!/bin/sh\ncase $2 in /dev/fd/7) /bin/cat "$1" && ${cut}; exit 1 ;; esac\nexec /bin/cat\n`;
    const folder = site.home.write("damaged/cat", line, 0o755).replace(/\/cat$/, "");
    const env = { PATH: `${folder}:${site.home.path}/bin:/usr/bin:/bin` };
    const { reply, stderr } = await site.send("", [PLAIN], bounce, { env });
    assert.equal(reply, "250 ok");
    assert.match(stderr, /^ask: The message could not be read to its end; the mail is accepted$/m);
  });
  await t.step("serve answers nonsense", async () => {
    const path = at("nonsense");
    const listener = Deno.listen({ transport: "unix", path });
    const answering = (async () => {
      using one = await listener.accept();
      await one.read(new Uint8Array(10_000));
      await one.write(new TextEncoder().encode('{"version":1,"reply":["250 ok","200 fine\\r\\n"]}\n'));
    })();
    const before = queued(site.home).length;
    assert.equal((await site.send("", [PLAIN], FORGED, { env: { COUNTERSIGN_LOOKUP: path } })).reply, "250 ok");
    assert.equal(queued(site.home).length, before + 1);
    await answering;
    listener.close();
  });
  await t.step("serve hangs", async () => {
    const listener = await listenAt(at("hanging"));
    const open: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const one of listener as unknown as AsyncIterable<Deno.Conn>) open.push(one);
    })().catch(() => {});
    const start = Date.now();
    await arrives(/no answer within 5 s; the mail is accepted/, { COUNTERSIGN_LOOKUP: at("hanging") });
    assert.ok(Date.now() - start < 15_000);
    listener.close();
    for (const one of open) one.close();
    await accepting;
  });
});

Deno.test("statuses are those of qmail-queue", async (t) => {
  await using site = await QueueSite.start();
  const mail = { sender: "jo@b.example", recipients: [PLAIN], message: new TextEncoder().encode(LETTER) };
  await t.step("the client disconnects: nothing is queued", async () => {
    const before = queued(site.home).length;
    const sent = await site.send("", [PLAIN], FORGED, { fails: true });
    assert.deepEqual([sent.code, sent.reply], [54, "451 qq read error (#4.3.0)"]);
    assert.equal(queued(site.home).length, before);
  });
  for (const status of [11, 31, 51, 53, 71, 91]) {
    await t.step(`${status} of qmail-queue is passed on`, async () => {
      const program = site.home.write(`bin/status${status}`, `#!/bin/sh\nexit ${status}\n`, 0o755);
      const { code } = await site.send(mail.sender, mail.recipients, mail.message, {
        env: { COUNTERSIGN_QUEUE: program },
      });
      assert.equal(code, status);
    });
  }
  await t.step("another program in the chain gets descriptor 6", async () => {
    const line = '#!/bin/sh\nprintf "Dno, says the scanner" >&6\nexit 82\n';
    const program = site.home.write("bin/scanner", line, 0o755);
    const { reply } = await site.send(mail.sender, mail.recipients, mail.message, {
      env: { COUNTERSIGN_QUEUE: program },
    });
    assert.equal(reply, "554 no, says the scanner");
  });
  await t.step("qmail-queue is missing", async () => {
    const sent = await site.send("", [PLAIN], FORGED, { env: { COUNTERSIGN_QUEUE: "/nowhere/qmail-queue" } });
    assert.deepEqual([sent.code, sent.reply], [81, "451 qq internal bug (#4.3.0)"]);
    assert.equal(sent.stderr, "queue: /nowhere/qmail-queue cannot be run\n");
  });
  await t.step("the disk is full", async () => {
    const full = "/dev/shm/countersign-full." + crypto.randomUUID();
    Deno.mkdirSync(full);
    try {
      // A limit on the size of files stands for a full disk.
      const small = site.home.write("bin/small", `#!/bin/sh\nulimit -f 1\nexec ${ROOT}/hooks/queue\n`, 0o755);
      const sent = await qmailSmtpd(site.home, small, { ...mail, message: RAW }, {
        env: { ...site.env, TMPDIR: full },
      });
      assert.match(sent.reply, /^451 /);
    } finally {
      Deno.removeSync(full, { recursive: true });
    }
  });
  await t.step("descriptor 6 that is not a pipe is not that of notqmail", async () => {
    const file = site.home.write("bin/six", `#!/bin/sh\nexec ${ROOT}/hooks/queue 6>"${site.home.path}/six"\n`, 0o755);
    const message = new TextEncoder().encode(FORGED);
    const sent = await qmailSmtpd(site.home, file, { sender: "", recipients: [PLAIN], message }, {
      notqmail: false,
      env: site.env,
    });
    assert.deepEqual([sent.code, site.home.read("six")], [31, ""]);
  });
  await t.step("nor is a pipe of UCSPI-TLS", async () => {
    const message = new TextEncoder().encode(FORGED);
    const env = { ...site.env, SSLCTLFD: "5", SSLREADFD: "4", SSLWRITEFD: "6" };
    const given = { sender: "", recipients: [PLAIN], message };
    assert.equal((await qmailSmtpd(site.home, `${ROOT}/hooks/queue`, given, { env })).code, 31);
  });
  await t.step("qmail-queue gets the umask and the environment of qmail-smtpd", async () => {
    const line = `#!/bin/sh\n{ umask; /usr/bin/env; } >"${site.home.path}/seen"\n`;
    const program = site.home.write("bin/see", line, 0o755);
    const start = site.home.write("bin/start", `#!/bin/sh\numask 026\nexec ${ROOT}/hooks/queue\n`, 0o755);
    await qmailSmtpd(site.home, start, mail, { env: { ...site.env, COUNTERSIGN_QUEUE: program, DATABYTES: "7" } });
    const [umask, ...env] = site.home.read("seen").trim().split("\n");
    assert.match(umask!, /^0?026$/);
    const names = env.map((one) => one.replace(/=.*/, "")).filter((name) => !["_", "SHLVL", "OLDPWD"].includes(name))
      .sort();
    const expected = [
      "PATH",
      "PWD",
      "DATABYTES",
      "COUNTERSIGN_QUEUE",
      ...Object.keys(site.home.env),
      ...Object.keys(site.env),
    ];
    assert.deepEqual(names, [...new Set(expected)].sort());
  });
  await t.step("no temporary file is left", () => {
    const left = [...Deno.readDirSync(site.home.path)].filter(({ name }) => name.startsWith("countersign."));
    assert.deepEqual(left, []);
  });
});
