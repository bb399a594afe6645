/**
 * The header fields that a challenge must quote as they were sent, each in a canonical form: servers fold fields, quote
 * names, encode words and change the case of field names, and none of that changes what readers of a list see.
 */
import { parseAddressList } from "./address.ts";
import { type Field, type Header, named } from "./message.ts";
import { decodeWords } from "./encoded_words.ts";
import { eightBitText } from "./message_id.ts";

/** Converts the body of a field to its canonical form. */
type Canonicalize = (body: string) => string;

/**
 * What readers see, where replies and the thread go, and how the body is read. None of these fields may be added,
 * removed or repeated. Sender is not among them, because Exim adds it to mail that a local user submits.
 */
const COMPARED: readonly (readonly [name: string, canonicalize: Canonicalize])[] = [
  ["From", mailboxes],
  ["Reply-To", mailboxes],
  ["Mail-Followup-To", mailboxes],
  ["To", mailboxes],
  ["Cc", mailboxes],
  ["Date", squeezed],
  ["Subject", decodeWords],
  ["Comments", decodeWords],
  ["Keywords", decodeWords],
  ["Organization", decodeWords],
  ["In-Reply-To", squeezed],
  ["References", squeezed],
  ["Content-Type", contentType],
  ["Content-Transfer-Encoding", transferEncoding],
];

/** The names of the fields, in the order of {@link comparedFields}. */
export const COMPARED_FIELDS: readonly string[] = COMPARED.map(([name]) => name);

/**
 * Returns the bodies of each compared field as one text, in canonical form; empty when the field is missing or empty.
 */
export function comparedFields(header: Header): string[] {
  return COMPARED.map(([name, canonicalize]) => {
    const fields = header.filter((field) => named(field, name));
    const bodies = fields.map((field) => squeezed(canonicalize(bodyOf(field))));
    return bodies.join("\n"); // two fields differ from one field with the text of both
  });
}

/** Returns the body of a field, unfolded. */
const bodyOf = ({ raw }: Field): string => squeezed(eightBitText(raw.slice(raw.indexOf(":") + 1).replace(/\n/g, "")));

function squeezed(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * Returns name and address of each mailbox, without quoting and comments, which servers change. A group without members
 * counts as empty: qmail-inject and Postfix add one to a message without recipients in its header.
 */
function mailboxes(body: string): string {
  try {
    return parseAddressList(body, { bare: true }).map(({ name, address }) =>
      `${decodeWords(name)} <${(address ? `${address.local}@${address.domain}` : "").toLowerCase()}>`
    ).join(",");
  } catch {
    return body;
  }
}

/** RFC 2045 section 5.1: case of type and parameter names, quotes and white space do not count; 5.2: the default. */
function contentType(body: string): string {
  const [type = "", ...parameters] = body.split(";").map((part) => part.trim());
  const pairs = parameters.filter((part) => part !== "").map((part) =>
    part.replace(/^([^=\s]{1,100})\s{0,100}=\s{0,100}(?:"([^"\\]{0,1000})"$)?/, (_, name, quoted = "") => {
      return `${name.toLowerCase()}=${quoted}`;
    })
  );
  const whole = [type.toLowerCase(), ...pairs].join("; ");
  return /^text\/plain(?:; charset=us-ascii)?$/i.test(whole) ? "" : whole;
}

/** RFC 2045 section 6.2: 7bit, 8bit and binary all leave the body as it is. */
function transferEncoding(body: string): string {
  const encoding = body.toLowerCase();
  return ["7bit", "8bit", "binary"].includes(encoding) ? "" : encoding;
}
