/**
 * Hands a message to one submission server and waits for its answer, as msmtp
 * does: to all recipients or to none.
 *
 * The final dot is the server's commit. Before it, on any failure or signal, the
 * connection is cut: half a message is never taken for a whole one. After it
 * only the server knows; without its answer nobody says that nothing was sent.
 */
import { Readable } from "node:stream";
import { formatAddress } from "../lib/address.ts";
import type { Settings } from "../lib/config.ts";
import { Fail, reason, show } from "../lib/fail.ts";
import type { Message } from "../lib/message.ts";
import { after, GRACE } from "./injector.ts";
import type { Handover } from "./presets.ts";
import { failureOf } from "./replies.ts";
import { type Envelope, Session } from "./session.ts";
import { Rejected } from "./rejected.ts";

type Transport = Settings["transport"];

/** What is said of all that ends before the final dot. */
const NOTHING = "; nothing is sent";

/**
 * Submits a message. When this returns, the server is responsible for it.
 *
 * @returns the server, for the log
 * @throws {Fail} as {@link failureOf} says; `usage` without an envelope sender
 */
export async function submit(
  transport: Transport,
  handover: Handover,
  message: Message,
  signal?: AbortSignal,
): Promise<string> {
  const envelope = envelopeOf(handover);
  const limits = new Limits(transport.timeout, signal);
  try {
    const session = await Session.open(transport, limits.halted);
    try {
      needs(envelope, session);
      await deliver(session, envelope, message, transport.user, limits);
      return session.server;
    } finally {
      await session.end();
    }
  } finally {
    limits.end();
  }
}

/** Connects, logs in and takes leave; sends nothing. @returns the server. @throws {Fail} as {@link submit} */
export async function probe(transport: Transport): Promise<string> {
  const limits = new Limits(transport.timeout);
  try {
    const session = await Session.open(transport, limits.halted);
    await session.end();
    return session.server;
  } finally {
    limits.end();
  }
}

function envelopeOf({ sender, recipients, dsn }: Handover): Envelope {
  // A program knows who runs it; a server does not.
  if (sender === undefined) throw new Fail("usage", "No envelope sender: give one with -f, or write as an identity");
  return {
    from: sender === null ? "" : formatAddress(sender),
    to: recipients.map(formatAddress),
    dsn: dsn.envid === undefined ? dsn : { ...dsn, envid: fromXtext(dsn.envid) },
    use8BitMime: true, // whether it is 8-bit shows only when it has gone
  };
}

/** The library makes xtext (RFC 3461 section 4) of what it is given; a command line has it already. */
const fromXtext = (text: string): string =>
  text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

/** RFC 6531 section 3.2: such an address cannot be told to a server without it. */
function needs(envelope: Envelope, session: Session): void {
  const address = [envelope.from, ...envelope.to].find((one) => !isAscii(one));
  if (address === undefined || session.offers("SMTPUTF8")) return;
  throw new Fail("refused", `${session.server} has no SMTPUTF8, which address ${show(address)} needs`);
}

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);

async function deliver(
  session: Session,
  envelope: Envelope,
  message: Message,
  user: string,
  { halted }: Limits,
): Promise<void> {
  let whole = false;
  const pieces = async function* () {
    yield message.head;
    // Ours: the library looks at it when the next one has been read into the same place.
    for await (const chunk of message.body) yield chunk.slice();
    whole = true; // From here on there may be a dot behind it.
  };
  const body = Readable.from(pieces(), { objectMode: false });
  const sent = session.send(envelope, isUtf8Header(message.head), body);
  sent.catch(() => {});
  const { server } = session;
  try {
    const reply = await Promise.race([sent, halted]).catch(async (error) => {
      if (!(error instanceof Fail)) throw error;
      if (!whole) {
        session.cut(); // At once, or the rest of it and the dot could still go.
        throw error;
      }
      // It has the whole message now and may be about to commit: a moment more, lest it be sent and we say no.
      return await Promise.race([sent, after(GRACE)]) ?? Promise.reject(new Error(reason(error).replace(NOTHING, "")));
    });
    if (!whole) {
      session.cut();
      throw new Rejected(75, `${server} answers before it has the message: ${show(reply)}`);
    }
    if (!/^2\d\d\b/.test(reply)) throw Object.assign(new Error(), { response: reply });
  } catch (error) {
    throw failureOf(error, { server, user, whole, rejected: envelope.rejectedErrors ?? [] });
  }
}

/** Does the header hold UTF-8 as it is (RFC 6532)? Bytes that are not UTF-8 no extension makes right. */
function isUtf8Header(head: Uint8Array): boolean {
  if (head.every((byte) => byte < 0x80)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head);
    return true;
  } catch {
    return false;
  }
}

/** Time over all, and the user's signal: what rejects when it is over. */
class Limits {
  readonly halted: Promise<never>;
  readonly end: () => void;

  constructor(timeout: number, signal?: AbortSignal) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.halted = promise;
    const stop = () => reject(new Rejected(75, `Stopped by a signal${NOTHING}`));
    const late = () => reject(new Rejected(75, `The server took longer than ${timeout} s${NOTHING}`));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    const clock = timeout > 0 ? AbortSignal.timeout(timeout * 1000) : undefined;
    clock?.addEventListener("abort", late);
    this.end = () => {
      signal?.removeEventListener("abort", stop);
      clock?.removeEventListener("abort", late);
    };
  }
}
