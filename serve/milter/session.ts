/**
 * One session with an MTA, as a state machine that returns the answer to each packet. It handles the order of the steps
 * and collects the message, and is independent of signing, judging and sockets.
 */
import { type Bytes, concat, latin1ToUtf8 } from "../../lib/bytes.ts";
import { Fail, quote } from "../../lib/fail.ts";
import type { Field, Header } from "../../lib/message.ts";
import type { Packet } from "./packet.ts";
import {
  type Answer,
  type Client,
  type Edit,
  type Options,
  printAnswer,
  printEdit,
  printOptions,
  readClient,
  readField,
  readMacros,
  readOptions,
  readPath,
  STEPS,
  VERSION,
} from "./protocol.ts";

/** The envelope sender of a message, and who sends it. */
export interface MailFrom {
  /** Null for the null sender. */
  readonly sender: string | null;
  /** The name with which the client has authenticated itself (SASL); undefined when it has not. */
  readonly login: string | undefined;
  /** Whether the message was submitted by a local program through sendmail(1), not by SMTP. */
  readonly local: boolean;
  /** Whether the mail server identifies itself as Postfix. Otherwise it is treated as Sendmail. */
  readonly postfix: boolean;
  /** The name of the client's host, as far as the mail server knows it. */
  readonly client: string;
}

/** The part of a message that was kept. */
export interface Content {
  readonly header: Header;
  /** Whether the header was truncated. */
  readonly cut: boolean;
  /** The beginning of the body. */
  readonly body: Bytes;
  /** Whether the content is complete. */
  readonly whole: boolean;
}

/** Handles one message for a role. */
export interface MilterMessage {
  /** Decides about a recipient. */
  recipient(address: string): Promise<Answer> | Answer;
  /** Decides before the content arrives; `accept` ends the inspection of this message. */
  data(): Answer;
  /** Decides about the whole message. */
  end(content: Content): Promise<{ readonly answer: Answer; readonly edits?: readonly Edit[] }>;
}

/** The role of a socket. */
export interface MilterRole {
  /** The changes that it may make: a sum of `ACTIONS`. */
  readonly actions: number;
  /** Maximum number of body octets that are kept. */
  readonly bodyBytes: number;
  /** Whether the rest is skipped, for which the MTA waits for an answer to each part; otherwise it sends everything. */
  readonly skipsBody: boolean;
  /** Begins a message. */
  mail(from: MailFrom): MilterMessage;
}

/** Octets of a header that are kept. Postfix and Sendmail by default limit headers to less. */
export const MAX_HEADER_BYTES = 256 * 1024;

const WANTED = STEPS.noHelo | STEPS.noUnknown | STEPS.connectUnanswered | STEPS.senderUnanswered |
  STEPS.headerUnanswered | STEPS.endOfHeaderUnanswered | STEPS.leadingSpace;

const NONE: Bytes = new Uint8Array(0);

/** A message that is being received. */
interface Arriving {
  readonly message: MilterMessage;
  readonly header: Field[];
  headerBytes: number;
  readonly body: Bytes[];
  bodyBytes: number;
  cut: boolean;
  whole: boolean;
}

/** A session. Its packets must be handled one after the other. */
export class Session {
  readonly #role: MilterRole;
  #steps = 0;
  #negotiated = false;
  #macros = new Map<string, Map<string, string>>();
  #client: Client | undefined;
  #arriving: Arriving | undefined;

  /** Begins a session in this role. */
  constructor(role: MilterRole) {
    this.#role = role;
  }

  /** Whether a message is in progress, which ending the session would interrupt. */
  get busy(): boolean {
    return this.#arriving !== undefined;
  }

  /**
   * Handles one packet.
   *
   * @returns the bytes of the answer, which may be empty; undefined when the session ends. A promise only for
   *   decisions: a session has many packets without an answer
   * @throws {Fail} `data` for a packet that is malformed or out of order
   */
  handle({ command, data }: Packet): Bytes | undefined | Promise<Bytes> {
    if (command === "O") return this.#negotiate(readOptions(data));
    if (!this.#negotiated) throw new Fail("data", "Milter session does not begin with option negotiation");
    switch (command) {
      case "D":
        return this.#define(data);
      case "C":
        this.#client = readClient(data);
        this.#macros.delete("M");
        return this.#unless(STEPS.connectUnanswered);
      case "H": // with `noHelo` and `noUnknown` neither of the two is sent
      case "U":
        return printAnswer("continue");
      case "M":
        this.#mail(readPath(data));
        return this.#unless(STEPS.senderUnanswered);
      case "R":
        return this.#recipient(addressIn(readPath(data)));
      case "T":
        return this.#data();
      case "L":
        this.#keepField(readField(data));
        return this.#unless(STEPS.headerUnanswered);
      case "N":
        return this.#unless(STEPS.endOfHeaderUnanswered);
      case "B":
        this.#keepBody(data);
        if (this.#has(STEPS.bodyUnanswered)) return NONE;
        return printAnswer(!this.#message.whole && this.#has(STEPS.skip) ? "skip" : "continue");
      case "E":
        this.#keepBody(data);
        return this.#end();
      case "A":
        this.#arriving = undefined;
        // The login must not apply to the next message, for which the MTA may send no macros.
        this.#macros.delete("M");
        return NONE;
      case "K": // another client follows on the same connection
        this.#arriving = undefined;
        this.#client = undefined;
        this.#macros.clear();
        return NONE;
      case "Q":
        return undefined;
      default:
        throw new Fail("data", `Unknown milter command ${quote(command)}`);
    }
  }

  get #message(): Arriving {
    if (this.#arriving === undefined) throw new Fail("data", "Milter packet of a message precedes its sender");
    return this.#arriving;
  }

  #has(step: number): boolean {
    return (this.#steps & step) !== 0;
  }

  #unless(step: number): Bytes {
    return this.#has(step) ? NONE : printAnswer("continue");
  }

  #negotiate({ version, actions, steps }: Options): Bytes {
    const wanted = this.#role.actions;
    if (version < VERSION || (actions & wanted) !== wanted) {
      throw new Fail(
        "data",
        `Mail server offers milter protocol version ${version} without the required features`,
      );
    }
    this.#negotiated = true;
    this.#steps = steps & (WANTED | (this.#role.skipsBody ? STEPS.skip : STEPS.bodyUnanswered));
    return printOptions({ version: VERSION, actions: wanted, steps: this.#steps });
  }

  #define(data: Uint8Array): Bytes {
    // Macros of other commands, which Postfix sends too, are not used, and a session may last for hours.
    if (data.length > 0 && !"CM".includes(String.fromCharCode(data[0]!))) return NONE;
    const { command, macros } = readMacros(data);
    this.#macros.set(command, macros);
    return NONE;
  }

  #mail(path: string): void {
    // A message without macros must not inherit the login of the previous one.
    const macros = this.#macros.get("M");
    this.#macros.delete("M");
    const login = macros?.get("auth_authen");
    const address = addressIn(path);
    const from = {
      sender: address === "" ? null : address,
      login: login === undefined || login === "" ? undefined : latin1ToUtf8(login),
      // Postfix reports no port, and writes the address without brackets. Neither of them alone would prove it.
      local: this.#client?.port === 0 && !path.startsWith("<"),
      postfix: /^Postfix\b/.test(this.#macros.get("C")?.get("v") ?? ""),
      client: this.#client?.name ?? "",
    };
    const message = this.#role.mail(from);
    this.#arriving = { message, header: [], headerBytes: 0, body: [], bodyBytes: 0, cut: false, whole: true };
  }

  async #recipient(address: string): Promise<Bytes> {
    return printAnswer(await this.#message.message.recipient(address));
  }

  #data(): Bytes {
    const answer = this.#message.message.data();
    if (answer !== "continue") this.#arriving = undefined;
    return printAnswer(answer);
  }

  #keepField({ name, value }: { name: string; value: string }): void {
    const arriving = this.#message;
    const raw = `${name}:${this.#has(STEPS.leadingSpace) ? "" : " "}${value}`;
    arriving.headerBytes += raw.length + 1;
    if (arriving.headerBytes > MAX_HEADER_BYTES) arriving.cut = true;
    else arriving.header.push({ name, raw });
  }

  #keepBody(data: Uint8Array): void {
    const arriving = this.#message;
    const room = this.#role.bodyBytes - arriving.bodyBytes;
    const kept = new Uint8Array(data.subarray(0, room));
    if (kept.length < data.length) arriving.whole = false;
    if (kept.length > 0) arriving.body.push(kept);
    arriving.bodyBytes += kept.length;
  }

  async #end(): Promise<Bytes> {
    const { message, header, body, cut, whole } = this.#message;
    try {
      const content = { header, cut, body: body.length === 1 ? body[0]! : concat(...body), whole: whole && !cut };
      const { answer, edits = [] } = await message.end(content);
      const leadingSpace = this.#has(STEPS.leadingSpace);
      if (edits.length === 0) return printAnswer(answer);
      return concat(...edits.map((edit) => printEdit(edit, leadingSpace)), printAnswer(answer));
    } finally {
      this.#arriving = undefined;
    }
  }
}

/** Returns the address in a path; it has angle brackets in SMTP, but not from sendmail(1). */
function addressIn(path: string): string {
  return latin1ToUtf8(path.replace(/^<(.*)>$/s, "$1"));
}
