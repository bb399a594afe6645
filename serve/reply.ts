/** SMTP replies that reject or defer mail. */
import { utf8 } from "../lib/bytes.ts";

/** Characters of text in one line: RFC 5321 section 4.5.3.1.5 allows 512 octets with the codes and the line end. */
const MAX_LINE_CHARACTERS = 400;

/**
 * Returns an SMTP reply, with a second line that names a contact.
 *
 * @param code the reply code and the enhanced status code (RFC 3463): `550 5.1.1`
 * @param text the reason; all but printable ASCII is replaced (RFC 5321 section 4.2)
 * @param contact an address or a page; empty for none
 */
export function reply(code: string, text: string, contact = ""): string {
  const [basic, status] = code.split(" ") as [string, string];
  const lines = [text, ...contact === "" ? [] : [`Contact: ${contact}`]];
  return lines.map((line, at) => {
    const clean = line.replace(/\s+/g, " ").replace(/[^ -~]/g, "?").slice(0, MAX_LINE_CHARACTERS).trim();
    return `${basic}${at < lines.length - 1 ? "-" : " "}${status} ${clean}`;
  }).join("\r\n");
}

/** Octets of a reply line without its end (RFC 5321 section 4.5.3.1.5). */
const MAX_REPLY_OCTETS = 510;
/** The words that Postfix inserts after the recipient when a policy service rejects it. */
const POSTFIX_WORDS = "<>: Recipient address rejected: ";

/**
 * Returns a reply as the action of a policy service, which has one line: the codes, and the lines of text. The contact
 * is omitted if the line would be too long.
 *
 * @param recipient the recipient that Postfix repeats in its reply
 */
export function oneLine(reply: string, recipient: string): string {
  const lines = reply.split("\r\n").map((line) => /^(\d{3})[- ](\S+) (.*)$/s.exec(line)!);
  const [, basic, status] = lines[0]!;
  const [codes, texts] = [`${basic} ${status}`, lines.map((line) => line[3]!)];
  const room = MAX_REPLY_OCTETS - POSTFIX_WORDS.length - utf8(recipient).length;
  const whole = `${codes} ${texts.join("; ")}`;
  return whole.length <= room ? whole : `${codes} ${texts[0]}`;
}
