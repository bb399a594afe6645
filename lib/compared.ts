/**
 * The header fields of a message that must come back as they were sent, each in the one spelling by which it is
 * compared: servers fold fields, quote names, encode words and change the case of field names, and none of that
 * changes what a reader of the list is shown.
 */
import { parseAddressList } from "./address.ts";
import { type Field, type Header, named } from "./message.ts";
import { eightBitText } from "./message_id.ts";
import { decodeWords } from "./mime.ts";

/** Puts the body of a field into the form in which it is compared. */
type Spelling = (body: string) => string;

/**
 * What readers see, where their replies and the thread go, and how the body is read. None of these fields may appear,
 * vanish or be repeated. Sender is not among them: Exim adds it to what a local user submits.
 */
const COMPARED: readonly (readonly [name: string, spelling: Spelling])[] = [
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

/** All bodies of each compared field in one text; empty where the field is missing or says nothing. */
export function comparedFields(header: Header): string[] {
  return COMPARED.map(([name, spelling]) => {
    const fields = header.filter((field) => named(field, name));
    const bodies = fields.map((field) => squeezed(spelling(bodyOf(field))));
    return bodies.join("\n"); // two fields of one name are not one field with the text of both: a list shows either
  });
}

/** The body of a field, unfolded. */
const bodyOf = ({ raw }: Field): string => squeezed(eightBitText(raw.slice(raw.indexOf(":") + 1).replace(/\n/g, "")));

function squeezed(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * Name and address of each mailbox; quoting and comments are the business of servers. A group without members says
 * nothing: qmail-inject and Postfix add one where the message names no recipient.
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
  const spelled = parameters.filter((part) => part !== "").map((part) =>
    part.replace(/^([^=\s]{1,100})\s{0,100}=\s{0,100}(?:"([^"\\]{0,1000})"$)?/, (_, name, quoted = "") => {
      return `${name.toLowerCase()}=${quoted}`;
    })
  );
  const whole = [type.toLowerCase(), ...spelled].join("; ");
  return /^text\/plain(?:; charset=us-ascii)?$/i.test(whole) ? "" : whole;
}

/** RFC 2045 section 6.2: 7bit, 8bit and binary all leave the body as it is. */
function transferEncoding(body: string): string {
  const encoding = body.toLowerCase();
  return ["7bit", "8bit", "binary"].includes(encoding) ? "" : encoding;
}
