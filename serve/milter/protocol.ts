/** Parses the packets of the milter protocol, and serializes the answers. */
import { type Bytes, decodeLatin1 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { printPacket, readStrings, readUint32s, uint32 } from "./packet.ts";

/** The version that both Postfix and Sendmail speak, and the first that can change the envelope sender. */
export const VERSION = 6;

/** What a milter asks to be allowed to change (SMFIF_). */
export const ACTIONS = { addHeader: 0x01, changeHeader: 0x10, changeSender: 0x40 } as const;

/** The protocol steps that are negotiated (SMFIP_): which the MTA omits, and to which it expects no answer. */
export const STEPS = {
  noHelo: 0x02,
  noUnknown: 0x100,
  skip: 0x400,
  /** Parts of the body are not answered, so they cannot be skipped, but the MTA need not wait either. */
  bodyUnanswered: 0x80000,
  connectUnanswered: 0x1000,
  /** The sender is decided about together with the recipient, so the MTA need not wait for an answer to it. */
  senderUnanswered: 0x4000,
  headerUnanswered: 0x80,
  endOfHeaderUnanswered: 0x40000,
  /** Values of header fields are passed with the white space before them, in both directions. */
  leadingSpace: 0x100000,
} as const;

/** What the two sides of a session can do. */
export interface Options {
  readonly version: number;
  readonly actions: number;
  readonly steps: number;
}

/** Parses the options that an MTA offers, or the answer to them. */
export function readOptions(data: Uint8Array): Options {
  const [version, actions, steps] = readUint32s(data, 3) as [number, number, number];
  return { version, actions, steps };
}

/** Serializes the negotiated options. */
export function printOptions({ version, actions, steps }: Options): Bytes {
  return printPacket("O", uint32(version), uint32(actions), uint32(steps));
}

/** Parses macros, and the command to which they belong. */
export function readMacros(data: Uint8Array): { command: string; macros: Map<string, string> } {
  if (data.length === 0) throw new Fail("data", "Milter macro packet has no command");
  const strings = readStrings(data.subarray(1));
  const macros = new Map<string, string>();
  // Sendmail writes long names in braces, and so does Postfix.
  for (let at = 0; at + 1 < strings.length; at += 2) {
    macros.set(strings[at]!.replace(/^\{(.*)\}$/, "$1"), strings[at + 1]!);
  }
  return { command: String.fromCharCode(data[0]!), macros };
}

/** The connected client. */
export interface Client {
  /** The name of the host, as the MTA has verified it, or a substitute such as `unknown`. */
  readonly name: string;
  /** The port; 0 for a message that was not submitted by SMTP, or without a network. */
  readonly port: number;
}

/** Parses a connect packet. */
export function readClient(data: Uint8Array): Client {
  const family = data.indexOf(0) + 1; // the name of the host ends with a NUL
  if (family === 0 || family >= data.length) throw new Fail("data", "Milter connect packet is truncated");
  const name = decodeLatin1(data.subarray(0, family - 1));
  if (!"46".includes(decodeLatin1(data.subarray(family, family + 1)))) return { name, port: 0 };
  if (data.length < family + 3) throw new Fail("data", "Milter connect packet is truncated");
  return { name, port: data[family + 1]! * 256 + data[family + 2]! }; // binary, unlike everything around it
}

/** Returns the first argument of MAIL or RCPT. */
export function readPath(data: Uint8Array): string {
  const [path] = readStrings(data);
  if (path === undefined) throw new Fail("data", "Milter packet without an address");
  return path;
}

/** Parses a header field. */
export function readField(data: Uint8Array): { name: string; value: string } {
  const [name, value, ...more] = readStrings(data);
  if (name === undefined || value === undefined || more.length > 0) {
    throw new Fail("data", "Milter packet does not contain a header field");
  }
  return { name, value };
}

/** The answer to a protocol step. */
export type Answer = "continue" | "accept" | "skip" | { readonly reply: string };

/** The answers that are the same each time. */
const FIXED = { continue: printPacket("c"), accept: printPacket("a"), skip: printPacket("s") };

/** Serializes an answer. A percent sign in a reply starts an escape, so it is doubled. */
export function printAnswer(answer: Answer): Bytes {
  return typeof answer === "string" ? FIXED[answer] : printPacket("y", answer.reply.replaceAll("%", "%%"), "\0");
}

/** A change to a message. Values of fields begin after the colon. */
export type Edit =
  | { readonly kind: "sender"; readonly path: string }
  /** A new field below this many of the fields that the MTA has sent. */
  | { readonly kind: "insert"; readonly above: number; readonly name: string; readonly value: string }
  /** A new last field. */
  | { readonly kind: "append"; readonly name: string; readonly value: string }
  /** Removes the nth field of this name, counted from 1. */
  | { readonly kind: "remove"; readonly nth: number; readonly name: string };

/** Serializes a change; without `leadingSpace` the MTA itself inserts a space after the colon. */
export function printEdit(edit: Edit, leadingSpace: boolean): Bytes {
  const text = (value: string) => leadingSpace ? value : value.replace(/^[ \t]/, "");
  switch (edit.kind) {
    case "sender":
      return printPacket("e", edit.path, "\0");
    case "insert":
      // The MTA counts its own Received field, which it does not send to a milter (smfi_insheader).
      return printPacket("i", uint32(edit.above + 1), edit.name, "\0", text(edit.value), "\0");
    case "append":
      return printPacket("h", edit.name, "\0", text(edit.value), "\0");
    case "remove":
      return printPacket("m", uint32(edit.nth), edit.name, "\0\0");
  }
}
