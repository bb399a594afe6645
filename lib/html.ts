/** Extracts lines of text from HTML, as far as gateways use HTML to show a returned header. */
import { utf8ToLatin1 } from "./bytes.ts";

/**
 * Elements that begin a line, and other elements that occur around a header. Anything else that looks like a tag is
 * text.
 */
const BLOCKS = new Set(
  "address blockquote body center dd div dl dt h1 h2 h3 h4 h5 h6 head hr html li ol p pre table tbody tr ul".split(" "),
);
const INLINE = new Set("a b big code em font i s samp small span strong td th tt u wbr".split(" "));

/** Matches a tag. `<1@example.org>` is not one: the name is followed by white space, `/` or `>`. */
const TAG = /<(\/?)([a-z][a-z0-9]{0,9})(?:\s[^<>]{0,2000})?\/?>(\n?)/gi;

/** Returns whether the text contains anything that {@link htmlToText} would change. */
export function looksLikeHtml(text: string): boolean {
  return /<(?:br|p|pre|div|li|tr|td|span)\b|&(?:amp;)?(?:lt|#0{0,4}60|#x0{0,4}3c);/i.test(text);
}

/**
 * Converts a page to lines: `<br>` ends a line, a block begins one. Line ends of the source are kept, because headers
 * are often in `<pre>`, or wrapped in a way that a browser would not show.
 *
 * @param latin1 whether this is a Latin-1 string; see {@link unescapeHtml}
 */
export function htmlToText(html: string, latin1 = false): string {
  const out: string[] = [];
  let fresh = true; // whether a line begins here
  let from = 0;
  const write = (text: string) => {
    // White space between two blocks is only the layout of the source.
    if (text === "" || (fresh && text.trim() === "")) return;
    out.push(text);
    fresh = text.endsWith("\n");
  };
  for (const match of html.matchAll(TAG)) {
    const [whole, , name, newline] = match as unknown as [string, string, string, string];
    const element = name.toLowerCase();
    const block = BLOCKS.has(element);
    if (!block && element !== "br" && !INLINE.has(element)) continue;
    write(html.slice(from, match.index));
    from = match.index + whole.length;
    if (element === "br" || (block && !fresh)) {
      out.push("\n");
      fresh = true;
    } else if (!block) write(/^t[dh]$/.test(element) ? ` ${newline}` : newline);
  }
  write(html.slice(from));
  return unescapeHtml(out.join(""), latin1);
}

/** The named character references that escaping functions write. */
const NAMED: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: " " };

/**
 * Replaces character references by their characters, once: a text that was escaped twice still contains references.
 *
 * @param latin1 whether this is a Latin-1 string; then characters outside ASCII become UTF-8
 */
export function unescapeHtml(text: string, latin1 = false): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,4}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
    const code = decimal === undefined ? parseInt(hex, 16) : Number(decimal);
    if (code === 0 || code > 0x10ffff) return whole;
    const char = code === 0xa0 ? " " : String.fromCodePoint(code);
    return latin1 && code > 0x7f ? utf8ToLatin1(char) : char;
  });
}
