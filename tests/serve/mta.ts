/** The mail server's side of a milter session, for tests. */
import { concat, decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { type Packet, PacketReader, printPacket, readUint32s, uint32 } from "../../serve/milter/packet.ts";
import { type MilterRole, Session } from "../../serve/milter/session.ts";

/** The options that Postfix 3.7 offers. */
export const OFFER = concat(uint32(6), uint32(0x1ff), uint32(0x1fffff));

/** A packet as text: its command, then its data with a character per byte. */
export const shown = ({ command, data }: Packet): string => command + decodeLatin1(data);

/** The packets in these bytes. */
export function packetsIn(bytes: Uint8Array): Packet[] {
  const reader = new PacketReader();
  reader.push(bytes);
  const out: Packet[] = [];
  for (let packet; (packet = reader.next()) !== undefined;) out.push(packet);
  if (reader.partial) throw new Error("a packet is not whole");
  return out;
}

/** The client that is connected to the mail server. */
export interface Client {
  login?: string;
  /** The client's port; 0 for sendmail(1). */
  port?: number;
  /** The value of the macro v; empty for Sendmail, which does not send it. */
  name?: string;
}

/** The packets of a message: the envelope, and the content, if any. */
export function message(
  sender: string,
  recipients: string[],
  mail?: string,
  { login, port = 4711, name = "Postfix 3.7.11" }: Client = {},
) {
  const path = (address: string) => port === 0 ? address : `<${address}>`;
  const macros = name === "" ? new Uint8Array(0) : printPacket("D", `Cv\0${name}\0`);
  const out = [concat(macros, printPacket("C", `host\x004${String.fromCharCode(port >> 8, port & 255)}127.0.0.1\0`))];
  if (login !== undefined) out.push(printPacket("D", `M{auth_authen}\0${login}\0`));
  out.push(printPacket("M", `${path(sender)}\0`));
  for (const one of recipients) out.push(printPacket("R", `${path(one)}\0`));
  if (mail === undefined) return out;
  out.push(printPacket("T"));
  const [, head, body] = /^(.*?\n)\n(.*)$/s.exec(mail)!;
  for (const [, name, value] of head!.matchAll(/^([^\s:]+):(.*(?:\n[ \t].*)*)\n/gm)) {
    out.push(printPacket("L", `${name}\0${value}\0`));
  }
  out.push(printPacket("N"));
  for (let at = 0; at < body!.length; at += 65_535) {
    out.push(printPacket("B", body!.slice(at, at + 65_535).replace(/\n/g, "\r\n")));
  }
  return [...out, printPacket("E")];
}

/** The responses to a message, up to the one that accepts or rejects it. */
export async function talk(role: MilterRole, packets: Uint8Array[], offer = OFFER): Promise<string[]> {
  const session = new Session(role);
  const out: string[] = [];
  for (const packet of [printPacket("O", offer), ...packets].flatMap(packetsIn)) {
    const answer = await session.handle(packet);
    if (answer === undefined) break;
    if (packet.command === "O") continue;
    const packets = packetsIn(answer);
    out.push(...packets.map((one) => shown(one)));
    const last = packets.at(-1)?.command;
    if (last === "a" || (last === "y" && packet.command !== "R")) break;
  }
  return out;
}

/** The header after the edits in these responses, as Postfix applies them below its own Received field. */
export function changed(
  mail: string,
  answers: string[],
): { sender: string | undefined; names: string[]; head: string } {
  const head = /^(.*?\n)\n/s.exec(mail)![1]!;
  const fields = ["Received: by us", ...head.split(/\n(?![ \t])/).filter((line) => line !== "")];
  let sender: string | undefined;
  const nameOf = (field: string) => field.slice(0, field.indexOf(":")).toLowerCase();
  for (const answer of answers) {
    const data = answer.slice(1);
    const number = () => readUint32s(encodeLatin1(data), 1)[0]!;
    if (answer[0] === "e") sender = data.split("\0")[0]!;
    if (answer[0] === "h") fields.push(data.split("\0").slice(0, 2).join(":"));
    if (answer[0] === "i") fields.splice(number(), 0, data.slice(4).split("\0").slice(0, 2).join(":"));
    if (answer[0] === "m") {
      const [name, value] = data.slice(4).split("\0") as [string, string];
      if (value !== "") throw new Error("only removals are expected");
      const found = fields.map((field, at) => ({ field, at })).slice(1)
        .filter(({ field }) => nameOf(field) === name.toLowerCase())[number() - 1];
      if (found === undefined) throw new Error(`no field ${name} ${number()}`);
      fields.splice(found.at, 1);
    }
  }
  const rest = fields.slice(1);
  return { sender, names: rest.map((field) => field.slice(0, field.indexOf(":"))), head: rest.join("\n") + "\n" };
}

/** The default fields of sendmail.cf, in their order; all but Received stay empty where the message has its own. */
const DEFAULTS = [
  "Return-Path",
  "Received",
  "Resent-Date",
  "Date",
  "Resent-From",
  "From",
  "Full-Name",
  "Resent-Message-ID",
  "Message-ID",
];

/**
 * The header after the edits in these responses, as Sendmail applies them: positions count its own fields and removed
 * ones, and a new field replaces its own field of the same name.
 */
export function changedBySendmail(mail: string, answers: string[]): string[] {
  const head = /^(.*?\n)\n/s.exec(mail)![1]!;
  const given = head.split(/\n(?![ \t])/).filter((line) => line !== "");
  const nameOf = (field: string) => field.slice(0, field.indexOf(":")).toLowerCase();
  // Sendmail's own fields have no value here, so that they are left out at the end.
  const fields = DEFAULTS.map((name) => ({ name, text: "", default: true }));
  fields.push(...given.map((text) => ({ name: nameOf(text), text, default: false })));
  for (const answer of answers) {
    const data = answer.slice(1);
    const [name, value] = data.slice(answer[0] === "h" ? 0 : 4).split("\0") as [string, string];
    const same = fields.filter((one) => one.name.toLowerCase() === name.toLowerCase());
    const added = { name, text: `${name}:${value}`, default: false };
    if (answer[0] === "i") fields.splice(readUint32s(encodeLatin1(data), 1)[0]!, 0, added);
    if (answer[0] === "h") {
      const place = same.find((one) => one.default);
      if (place !== undefined) Object.assign(place, added);
      else fields.splice(same[0] === undefined ? fields.length : fields.indexOf(same[0]), 0, added);
    }
    if (answer[0] === "m") {
      const nth = readUint32s(encodeLatin1(data), 1)[0]!;
      const removed = same.filter((one) => !one.default)[nth - 1];
      if (removed === undefined) throw new Error(`no field ${name} ${nth}`);
      removed.text = "";
    }
  }
  return fields.map(({ text }) => text).filter((text) => text !== "");
}
