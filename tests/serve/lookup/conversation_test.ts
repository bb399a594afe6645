/** The socket `lookup`: malformed, slow and excessive requests, and the store that it serves. */
import assert from "node:assert/strict";
import { askedStore, askLookup } from "../../../io/state/shared/ask.ts";
import { fileStore } from "../../../io/state/shared/files.ts";
import type { SharedStore } from "../../../io/state/shared/store.ts";
import { remembersAll } from "../../../io/state/forgotten.ts";
import { FORGOTTEN, rememberIn, useStore, whyUncertain } from "../../../io/state/stores.ts";
import { joe, settings } from "../../challenges.ts";
import { dayOf } from "../../../lib/date.ts";
import { Fail, reason } from "../../../lib/fail.ts";
import type { Answering } from "../../../serve/lookup/answers.ts";
import { MAX_LINE_BYTES } from "../../../serve/lookup/requests.ts";
import { TempFolder } from "../../rig.ts";
import { A, B, storeTests, withFolder } from "../../io/state/shared/contract.ts";
import { answers, LookupServer, request } from "./asking.ts";

/** Nothing here is judged. */
const loaded = () => {
  throw new Error("not needed");
};

const today = dayOf(new Date());
const answering = (store: SharedStore): Answering => ({ loaded, store: { kind: "files", store } });
const failing = (error: Error): SharedStore => {
  const fail = () => Promise.reject(error);
  const names = ["sent", "rememberSent", "entries", "issue", "claim", "settle", "noteForgotten", "lastForgotten"];
  return Object.fromEntries(names.map((name) => [name, fail])) as unknown as SharedStore;
};

storeTests("through the socket", Deno.test, (run) =>
  withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(folder)));
    await run(askedStore(server.path));
    assert.deepEqual(server.reports, []);
  }));

Deno.test("requests on one connection are answered in their order", async () => {
  await withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(folder)));
    const answered = await server.say(
      request({ request: "remember", name: A, day: 20_000, signed: true }),
      request({ request: "issue", names: [`${A}-${B}`], expires: today + 7, more: "ignored" }, "text\n"),
      request({ request: "claim", name: `${A}-${B}` }),
      request({ request: "claim", name: `${A}-${B}` }),
      request({ request: "status" }),
    );
    assert.deepEqual(answered.map(({ version }) => version), [1, 1, 1, 1, 1]);
    const [remembered, issued, claimed, again, status] = answered;
    assert.deepEqual([remembered!.done, issued!.done, again!.claim, status!.store], [true, true, null, "files"]);
    assert.match(String(claimed!.claim), /^\d{5}\/messages\//);
  });
});

Deno.test("a request that arrives byte by byte is one request", async () => {
  await withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(folder)));
    using connection = await server.connect();
    const text = request({ request: "issue", names: [`${A}-${B}`], expires: today + 7 }, "text\n") +
      request({ request: "entries", messages: [A] });
    for (const byte of new TextEncoder().encode(text)) await connection.write(Uint8Array.of(byte));
    await connection.closeWrite();
    const entries = [{ name: `${A}-${B}`, state: "issued", text: "text\n" }];
    assert.deepEqual(await answers(connection), [{ version: 1, done: true }, { version: 1, entries }]);
  });
});

const long = "x".repeat(MAX_LINE_BYTES + 1);
const hash = (count: number) => Array.from({ length: count }, () => A);
/** [what, the request, the error] */
const MALFORMED: [string, string | Uint8Array, RegExp][] = [
  ["an empty line", "\n", /it is not JSON/],
  ["text", "hello\n", /it is not JSON/],
  ["SMTP", "EHLO mx.example\r\n", /it is not JSON/],
  ["a number", "1\n", /it is not an object/],
  ["null", "null\n", /it is not an object/],
  ["a list", "[]\n", /it is not an object/],
  ["not UTF-8", Uint8Array.of(0xff, 0xfe, 10), /it is not UTF-8/],
  ["a milter", Uint8Array.of(0, 0, 0, 13, 79, 0, 0, 0, 6, 0, 0, 1, 255, 10, 1, 255, 255), /it is not UTF-8|not JSON/],
  ["no version", '{"request":"status"}\n', /its version is not 1/],
  ["another version", '{"version":2,"request":"status"}\n', /its version is not 1/],
  ["no request", '{"version":1}\n', /request is missing/],
  ["another request", request({ request: "delete" }), /unknown request "delete"/],
  ["a request of Object", request({ request: "constructor" }), /unknown request "constructor"/],
  ["a name of another form", request({ request: "claim", name: "../x" }), /name has the wrong form/],
  ["a name in capitals", request({ request: "sent", names: ["A".repeat(32)] }), /names has the wrong form/],
  ["a name that is not a string", request({ request: "claim", name: 1 }), /name has the wrong form/],
  ["no list", request({ request: "sent", names: A }), /names is not a list/],
  ["too many names", request({ request: "entries", lists: hash(65) }), /lists has more than 64 members/],
  ["too many hashes", request({ request: "sent", names: hash(401) }), /names has more than 400 members/],
  ["no names", request({ request: "issue", names: [], expires: 1 }, "x"), /names is empty/],
  ["no text", request({ request: "issue", names: [`${A}-${B}`], expires: 1 }), /length is missing/],
  ["a day with a fraction", request({ request: "remember", name: A, day: 1.5, signed: true }), /day is not a whole/],
  [
    "a day after the year 5000",
    request({ request: "remember", name: A, day: 1e9, signed: true }),
    /day is greater than/,
  ],
  ["a day in the future", request({ request: "remember", name: A, day: today + 3, signed: true }), /in the future/],
  [
    "an entry that would never expire",
    request({ request: "issue", names: [`${A}-${B}`], expires: today + 20 }, "text\n"),
    /in the future/,
  ],
  ["a claim of another form", request({ request: "settle", claim: "../x", state: "spent" }), /not one of this ledger/],
  ["a flag that is a number", request({ request: "remember", name: A, day: 1, signed: 1 }), /neither true nor false/],
  ["an invalid state", request({ request: "settle", claim: "x", state: "claimed" }), /neither "spent" nor "issued"/],
  ["a claim with a NUL", request({ request: "settle", claim: "a\0", state: "spent" }), /claim has the wrong form/],
  ["a negative length", `{"version":1,"request":"judge","sender":"","recipient":"x","length":-1}\n`, /length is not/],
  [
    "a message of more than 256 KB",
    `{"version":1,"request":"judge","sender":"","recipient":"x","length":262145}\n`,
    /length is greater than 262144/,
  ],
  ["a payload where none is allowed", `{"version":1,"request":"status","length":5}\n`, /length is greater than 0/],
  ["a sender that is too long", request({ request: "judge", sender: long.slice(0, 3000), recipient: "x" }), /too long/],
  ["a long line without an end", long, /longer than 16384 bytes/],
  ["a long line", `${long}\n`, /longer than 16384 bytes/],
  ["a long line of JSON", request({ request: "status", more: long }), /longer than 16384 bytes/],
];
Deno.test("a malformed request gets one error and its connection is closed; the next client is answered", async (t) => {
  await withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(`${folder}/state`)));
    for (const [what, text, error] of MALFORMED) {
      await t.step(what, async () => {
        const [answer, ...more] = await server.say(text, request({ request: "status" }));
        assert.deepEqual(more, []);
        assert.deepEqual(Object.keys(answer!), ["version", "error"]);
        assert.match(String(answer!.error), error);
        assert.match(server.reports.pop() ?? "", error);
      });
    }
    assert.deepEqual(await server.say(request({ request: "status" })), [{ version: 1, store: "files" }]);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "nothing was written");
  });
});

Deno.test("random bytes end only their own connection", async () => {
  await withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(folder)));
    for (let nth = 0; nth < 200; nth++) {
      const bytes = crypto.getRandomValues(new Uint8Array(nth * 7));
      for (const line of await server.say(bytes)) assert.equal(typeof line.error, "string");
    }
    // Requests with some bytes changed.
    const good = new TextEncoder().encode(
      request({ request: "issue", names: [`${A}-${B}`], expires: today + 7 }, "t\n"),
    );
    for (let nth = 0; nth < good.length; nth++) {
      const bytes = good.slice();
      bytes[nth]! ^= 1 << (nth % 8);
      for (const line of await server.say(bytes)) assert.ok("error" in line || "done" in line);
    }
    assert.deepEqual(await server.say(request({ request: "status" })), [{ version: 1, store: "files" }]);
  });
});

Deno.test("a store that cannot be used is a temporary error, and the connection stays open", async () => {
  const error = new Fail("temporary", "Redis cannot be used");
  await using server = await LookupServer.start(answering(failing(error)));
  const answered = await server.say(
    request({ request: "sent", names: [A] }),
    request({ request: "claim", name: `${A}-${B}` }),
    request({ request: "status" }),
  );
  assert.deepEqual(answered, Array(3).fill({ version: 1, error: "Redis cannot be used", temporary: true }));
  const store = askedStore(server.path);
  for (const ask of [() => store.sent([A]), () => store.claim(`${A}-${B}`), () => store.settle("a", "spent")]) {
    await assert.rejects(ask(), {
      kind: "temporary",
      message: /Request to countersign serve failed: Redis cannot be used/,
    });
  }
});

Deno.test("a time in the future is replaced by the current time, so that a client cannot disable the door for years", async () => {
  await withFolder(async (folder) => {
    const store = fileStore(folder);
    await using server = await LookupServer.start(answering(store));
    await server.say(request({ request: "forget", time: Number.MAX_SAFE_INTEGER }));
    const time = await store.lastForgotten();
    assert.ok(time !== undefined && time <= Date.now() && time > Date.now() - 60_000);
  });
});

Deno.test("without a shared state, no request reads or writes the state", async () => {
  await using server = await LookupServer.start({ loaded, store: undefined });
  assert.deepEqual(await server.say(request({ request: "status" })), [{ version: 1, store: null }]);
  const [answer] = await server.say(request({ request: "sent", names: [A] }));
  assert.match(String(answer!.error), /The state is not shared: set state\.lookup or state\.redis/);
});

Deno.test("slow requests time out with a report, idle connections are closed without one", async () => {
  const context = answering(failing(new Error("not needed")));
  await using server = await LookupServer.start(context, { idle: 150, request: 300 });
  using idle = await server.connect();
  assert.deepEqual(await answers(idle), []);
  assert.deepEqual(server.reports, []);
  using slow = await server.connect();
  const started = Date.now();
  const text = request({ request: "status" });
  const written = (async () => {
    try {
      for (const byte of new TextEncoder().encode(text)) {
        await slow.write(Uint8Array.of(byte));
        await new Promise((next) => setTimeout(next, 30));
      }
    } catch {
      // The server closed the connection.
    }
  })();
  assert.deepEqual(await answers(slow), []);
  assert.ok(Date.now() - started < 1500, "single bytes do not extend the timeout");
  await written;
  assert.deepEqual(server.reports, ["Request timed out"]);
});

Deno.test("connections over the limit are closed immediately", async () => {
  await using server = await LookupServer.start({ loaded, store: undefined }, undefined, 2);
  using _first = await server.connect();
  using _second = await server.connect();
  for (let tries = 0; tries < 100 && server.connections < 2; tries++) await new Promise((next) => setTimeout(next, 5));
  using third = await server.connect();
  assert.deepEqual(await answers(third), []);
  assert.equal(server.reports.length, 1);
});

Deno.test("shutdown waits for the request in progress", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const store = { ...failing(new Error("not needed")), claim: () => promise.then(() => "claim") };
  await using server = await LookupServer.start(answering(store));
  using connection = await server.connect();
  await connection.write(new TextEncoder().encode(request({ request: "claim", name: `${A}-${B}` }).repeat(2)));
  await new Promise((next) => setTimeout(next, 50));
  const stopped = server.stop(5000);
  resolve();
  assert.deepEqual(await answers(connection), [{ version: 1, claim: "claim" }]);
  await stopped;
});

Deno.test("a server that is missing, hangs or sends invalid answers is a temporary failure", async () => {
  await assert.rejects(askedStore("/nonexistent/lookup").sent([A]), { kind: "temporary", file: "/nonexistent/lookup" });
  await withFolder(async (folder) => {
    const path = `${folder}/lookup`;
    for (const text of ["", "nonsense\n", "1\n", '{"version":9}\n', '{"version":1,"claim":"x"']) {
      using listener = Deno.listen({ transport: "unix", path });
      const served = (async () => {
        using connection = await listener.accept();
        await connection.read(new Uint8Array(4096));
        await connection.write(new TextEncoder().encode(text));
      })();
      await assert.rejects(askedStore(path).claim(`${A}-${B}`), { kind: "temporary" }, text);
      await served;
      Deno.removeSync(path);
    }
  });
});

Deno.test("a message that is sent while the server restarts is remembered, and other requests do not wait", async () => {
  await withFolder(async (folder) => {
    const store = fileStore(folder);
    const path = `${folder}/lookup`;
    const message = { day: today, signed: true };
    await assert.rejects(askedStore(path).sent([A]), { kind: "temporary" });
    await assert.rejects(askedStore(path, 0).rememberSent(A, message), { kind: "temporary", file: path });

    // The first server ends without an answer, as one that is killed.
    const first = Deno.listen({ transport: "unix", path });
    const remembered = askedStore(path).rememberSent(A, message);
    (await first.accept()).close();
    first.close();
    assert.deepEqual(await store.sent([A]), []);
    await using server = await LookupServer.start(answering(store));
    Deno.symlinkSync(server.path, path);
    await remembered;
    assert.equal((await store.sent([A])).length, 1);
  });
});

Deno.test("what was not remembered stays noted when a later message is remembered, in serve and in a client", async (t) => {
  for (const client of [false, true]) {
    await t.step(client ? "a client with the state folder of serve" : "serve", async () => {
      using temp = new TempFolder();
      const [folder, link] = [`${temp.path}/state`, `${temp.path}/link`];
      Deno.mkdirSync(folder);
      Deno.symlinkSync(folder, link); // under another path this process behaves like another one
      const store = fileStore(folder);
      await using server = await LookupServer.start(answering(store));
      const stateAt = (folder: string) => ({
        ...settings(),
        state: { ...settings().state, folder, lookup: server.path },
      });
      const release = useStore(stateAt(folder), store);
      const remember = (id: string) => rememberIn(stateAt(client ? link : folder), joe, id, true, new Date());
      Deno.writeTextFileSync(`${folder}/sent`, "not a folder");
      await assert.rejects(remember("<1@example.net>"), { kind: "temporary" });
      Deno.removeSync(`${folder}/sent`);
      await remember("<2@example.net>");
      await remember("<3@example.net>");
      assert.equal(await whyUncertain(stateAt(folder), new Date()), FORGOTTEN);
      release();
      assert.equal(remembersAll(link, new Date()), false, "also after a restart");
    });
  }
});

Deno.test("a message to be remembered waits while the server's queue of connections is full", async () => {
  await withFolder(async (folder) => {
    await using server = await LookupServer.start(answering(fileStore(folder)));
    const { connect } = Deno;
    // deno-lint-ignore no-explicit-any
    const deno = Deno as any;
    let attempts = 0;
    deno.connect = (to: Deno.UnixConnectOptions) => {
      if (++attempts < 3) throw new Deno.errors.WouldBlock("Resource temporarily unavailable");
      return connect(to);
    };
    try {
      await askedStore(server.path).rememberSent(A, { day: today, signed: true });
    } finally {
      deno.connect = connect;
    }
    assert.equal(attempts, 3);
  });
});

Deno.test("the time limit also counts while a connection is being made, and the connection is closed", async () => {
  await withFolder(async (folder) => {
    using listener = Deno.listen({ transport: "unix", path: `${folder}/lookup` });
    const accepted = listener.accept();
    const { connect } = Deno;
    // deno-lint-ignore no-explicit-any
    const deno = Deno as any;
    deno.connect = async (to: Deno.UnixConnectOptions) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return await connect(to);
    };
    try {
      const late = new Promise((resolve) => setTimeout(resolve, 5000, "it waits"));
      const asked = askLookup(`${folder}/lookup`, { request: "status" }, undefined, 20).catch(reason);
      assert.match(String(await Promise.race([asked, late])), /no answer within 0\.02 s/);
    } finally {
      deno.connect = connect;
    }
    using connection = await accepted;
    assert.equal(await connection.read(new Uint8Array(1)), null);
  });
});

Deno.test("an error that a server reports is not a reason to wait for another", async () => {
  await using server = await LookupServer.start(answering(failing(new Fail("temporary", "The disk is full"))));
  const began = Date.now();
  await assert.rejects(askedStore(server.path, 60_000).rememberSent(A, { day: today, signed: true }), /disk is full/);
  assert.ok(Date.now() - began < 30_000);
});
