/** SMTP replies that reject or defer mail. */

/** Characters of text in one line: RFC 5321 section 4.5.3.1.5 allows 512 octets with the codes and the line end. */
const MAX_LINE_CHARACTERS = 400;

/**
 * Returns an SMTP reply, with a second line that names a contact.
 *
 * @param code the reply code and the enhanced status code (RFC 3463): `550 5.1.1`
 * @param text the reason; all but printable ASCII is replaced (RFC 5321 section 4.2.1)
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
