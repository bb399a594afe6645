/** The SMTP client and servers with arbitrary replies: the reported result is what happened to the message. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { Client } from "../../io/transport/smtp/client.ts";
import { Unconfirmed } from "../../io/transport/smtp/failure.ts";
import { Limits, TIMEOUTS } from "../../io/transport/smtp/limits.ts";
import { isPositive } from "../../io/transport/smtp/reply.ts";
import { linesOf } from "../lines.ts";
import { fuzz } from "./fuzz.ts";

/** What a server may do at a step instead of replying as expected. */
const MOVES = [
  ...["250 Yes", "354 Go on", "334 x", "421 Down", "450 Busy", "503 What", "550 No"],
  ...["garbage", "twice", "half", "mixed", "close", "unasked"],
];

/** A server for one session that does these things and otherwise accepts. */
class Server {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #moves: Map<number, string>;
  #step = 0;
  /** Whether it confirmed the message to the client. */
  committed = false;
  /** Whether it received the message and replied neither with a confirmation nor with a rejection. */
  unclear = false;
  readonly done: Promise<void> = this.#serve();

  /** @param moves the steps (replies) at which it does something else */
  constructor(moves: readonly (readonly [number, string])[], readonly pipelining: boolean) {
    this.#moves = new Map(moves);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(): Promise<void> {
    using connection = await this.#listener.accept();
    this.#listener.close();
    try {
      await this.#talk(connection);
    } catch {
      // The client or this server closed the connection.
    }
  }

  async #talk(connection: Deno.Conn): Promise<void> {
    /** @returns the reply code that was sent, if any */
    const answer = async (yes: string): Promise<string | undefined> => {
      const move = this.#moves.get(this.#step++) ?? "yes";
      const odd: Record<string, string> = {
        garbage: "what?\r\n",
        twice: `${yes}\r\n${yes}\r\n`,
        half: `${yes.slice(0, 3)}-and`,
        mixed: "250-Yes\r\n550 No\r\n",
        close: "",
        unasked: `${yes}\r\n550 No\r\n`,
        yes: `${yes}\r\n`,
      };
      const text = odd[move] ?? `${move}\r\n`;
      await connection.write(utf8(text));
      if (move === "close" || move === "half") throw new Error("hung up");
      return /^\d{3} /.exec(text)?.[0].trim();
    };
    await answer("220 mx");
    let data = false;
    for await (const line of linesOf(connection)) {
      if (data) {
        if (line !== ".") continue;
        data = false;
        // The reply counts even if the client has already closed the connection.
        const next = this.#moves.get(this.#step) ?? "yes";
        this.committed = ["yes", "twice", "unasked", "250 Yes"].includes(next);
        this.unclear = !this.committed && !/^[45]/.test(next);
        await answer("250 Taken");
      } else if (line === "DATA") data = await answer("354 Go on") === "354";
      else if (/^EHLO/.test(line)) await answer(this.pipelining ? "250-mx\r\n250 PIPELINING" : "250 mx");
      else if (line === "QUIT") return;
      else await answer("250 Yes");
    }
  }
}

const sessions = fc.record({
  // A session has eight steps.
  moves: fc.array(fc.tuple(fc.nat(7), fc.constantFrom(...MOVES)), { maxLength: 3 }),
  pipelining: fc.boolean(),
});

fuzz("the SMTP client reports the true result", sessions, async ({ moves, pipelining }) => {
  const server = new Server(moves, pipelining);
  const limits = new Limits({ ...TIMEOUTS, total: 20 });
  const target = {
    hostname: "127.0.0.1",
    port: server.port,
    name: "mx",
    security: "none",
    ca: [],
    helo: "me",
  } as const;
  let result: "sent" | Fail;
  try {
    const client = await Client.open(target, limits);
    try {
      const recipients = [{ address: "ann@example.net" }, { address: "bob@example.net" }];
      const replies = await client.envelope({ sender: "greg@example.org", recipients });
      if (!replies.every(isPositive)) throw new Fail("refused", "recipients");
      const body = (async function* () {
        yield await Promise.resolve(utf8("Hi.\n.\n"));
      })();
      await client.send({ head: utf8("Subject: x\n\n"), body });
      result = "sent";
    } finally {
      await client.end();
    }
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    result = error;
  } finally {
    limits.end();
  }
  await server.done;
  if (result === "sent") assert.ok(server.committed, "reported as sent, but the server did not confirm it");
  else if (server.unclear) {
    assert.ok(result instanceof Unconfirmed, `the result is unknown, but was reported as: ${result.message}`);
  } else if (!(result instanceof Unconfirmed)) {
    assert.ok(!server.committed, `the server confirmed it, but it was reported as: ${result.message}`);
  }
});
