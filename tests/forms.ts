/** The forms in which gateways, mail programs and ticket systems return a message, as binary strings with LF. */
import { quotedPrintable } from "./bounces.ts";

const mapLines = (text: string, change: (line: string) => string): string => text.split("\n").map(change).join("\n");
const numericReferences = (text: string): string => text.replace(/[&<>]/g, (char) => `&#${char.charCodeAt(0)};`);
const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Base64 with lines of this length. */
export const base64 = (text: string, length = 76): string =>
  btoa(text).replace(new RegExp(`.{${length}}`, "g"), "$&\n") + "\n";

/** Wraps lines at this column, also within words. */
export function hardWrap(text: string, column: number, indent = ""): string {
  return mapLines(text, (line) => {
    const parts = [line.slice(0, column)];
    for (let at = column; at < line.length; at += column) parts.push(line.slice(at, at + column));
    return parts.join(`\n${indent}`);
  });
}

const utf16 = (text: string, big: boolean): string => [...text].map((char) => big ? `\0${char}` : `${char}\0`).join("");

/** The transformations of a body, by name. */
export const FORMS: Record<string, (body: string) => string> = {
  "unchanged": (body) => body,
  "with CRLF": (body) => body.replaceAll("\n", "\r\n"),
  "with bare CR": (body) => body.replaceAll("\n", "\r"),
  "with field names in upper case": (body) => body.replace(/^(x-msgauth|message-id):/gim, (name) => name.toUpperCase()),
  "folded before the value": (body) => body.replaceAll(": v1.", ":\n v1.").replace(/^(message-id):/gim, "$1:\n\t"),

  // A space before the colon, or markup around the name
  "with a space before the colon": (body) => body.replace(/^([\w-]+):/gm, "$1 :"),
  "with a tab before the colon": (body) => body.replace(/^([\w-]+):/gm, "$1\t:"),
  "with names in bold": (body) => body.replace(/^([\w-]+):/gm, "*$1:*"),

  // Quoting and indentation
  ...Object.fromEntries(
    [
      "> ",
      ">",
      ">> ",
      "> > | ",
      "* ",
      "# ",
      ": ",
      "| ",
      "- ",
      "; ",
      "%",
      "\t",
      " ".repeat(17),
      " ".repeat(200),
      "   * ",
    ]
      .map((
        prefix,
      ) => [`prefixed with ${JSON.stringify(prefix)}`, (body: string) => mapLines(body, (line) => prefix + line)]),
  ),
  "quoted except empty lines": (body) => mapLines(body, (line) => line === "" ? "" : `> ${line}`),
  "quoted, empty lines without a space": (body) => mapLines(body, (line) => line === "" ? ">" : `> ${line}`),

  // Empty lines
  "with an empty line after every line": (body) => mapLines(body, (line) => `${line}\n`),
  "with two empty lines after every line": (body) => mapLines(body, (line) => `${line}\n\n`),
  "with CR CR LF": (body) => body.replaceAll("\n", "\r\r\n"),
  "quoted, with an empty quoted line after every line": (body) => mapLines(body, (line) => `> ${line}\n> `),

  // Hard wrapping
  ...Object.fromEntries(
    [10, 20, 33, 40, 47, 55, 60, 64, 65].flatMap((column) =>
      ["", " ", "\t", "    ", "> ", "| ", "      > "].map((indent) => [
        `wrapped at ${column}, indented with ${JSON.stringify(indent)}`,
        (body: string) => hardWrap(body, column, indent),
      ])
    ),
  ),
  "quoted, then wrapped": (body) => hardWrap(mapLines(body, (line) => `> ${line}`), 50),
  "wrapped, then quoted": (body) => mapLines(hardWrap(body, 50), (line) => `> ${line}`),
  "wrapped, with an empty line after every line": (body) => mapLines(hardWrap(body, 50), (line) => `${line}\n`),

  // HTML
  "HTML, <br>": (body) => `<html><body>${escapeHtml(body).replaceAll("\n", "<br>")}</body></html>`,
  "HTML, <br> and line endings": (body) => `<p>${escapeHtml(body).replaceAll("\n", "<br>\n")}</p>`,
  "HTML, <br/>": (body) => `<p>${escapeHtml(body).replaceAll("\n", "<br/>")}</p>`,
  "HTML, <BR />": (body) => `<P>${escapeHtml(body).replaceAll("\n", "<BR />\r\n")}</P>`,
  "HTML, <pre>": (body) => `<div class="x"><pre>${escapeHtml(body)}</pre></div>`,
  "HTML, <pre> with <br>": (body) => `<pre>${escapeHtml(body).replaceAll("\n", "<br>\n")}</pre>`,
  "HTML, <p> per line": (body) => mapLines(escapeHtml(body), (line) => `<p class="MsoNormal">${line}</p>`),
  "HTML, <p> per line, on one line": (body) =>
    mapLines(escapeHtml(body), (line) => `<p>${line}</p>`).replaceAll("\n", ""),
  "HTML, <div> per line": (body) => mapLines(escapeHtml(body), (line) => `<div>${line || "<br>"}</div>\n`),
  "HTML, <li> per line": (body) => `<ul>${mapLines(escapeHtml(body), (line) => `<li>${line}`)}</ul>`,
  "HTML, a table": (body) =>
    mapLines(escapeHtml(body), (line) => `<tr><td>${line.replace(/^([\w-]+:)/, "<b>$1</b></td><td>")}</td></tr>`),
  "HTML, &nbsp;": (body) =>
    mapLines(escapeHtml(body), (line) => `&nbsp;&nbsp;${line.replaceAll(" ", "&nbsp;")}<br>`).replaceAll("\n", ""),
  "HTML, numeric references": (body) => numericReferences(body).replaceAll("\n", "<br>"),
  "HTML, hexadecimal references": (body) =>
    body.replace(/[<>@:]/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`).replaceAll("\n", "<br>"),
  "HTML, escaped twice": (body) => escapeHtml(escapeHtml(body)).replaceAll("\n", "<br>"),
  "HTML, addresses as links": (body) =>
    escapeHtml(body).replace(/[\w.+-]+@[\w.-]+/g, (one) => `<a href="mailto:${one}">${one}</a>`).replaceAll(
      "\n",
      "<br>\n",
    ),
  "HTML, brackets not escaped": (body) => `<p>${body.replaceAll("\n", "<br>\n")}</p>`,
  "HTML, names in bold": (body) =>
    mapLines(escapeHtml(body), (line) => line.replace(/^([\w-]+:)/, "<b>$1</b>") + "<br>"),
  "HTML entities in plain text": escapeHtml,

  // UTF-16
  "UTF-16LE": (body) => utf16(body, false),
  "UTF-16BE": (body) => utf16(body, true),
  "UTF-16LE with a byte order mark": (body) => `\xff\xfe${utf16(body, false)}`,
  "UTF-16BE with a byte order mark": (body) => `\xfe\xff${utf16(body, true)}`,
  "UTF-16LE with CRLF": (body) => utf16(body.replaceAll("\n", "\r\n"), false),

  // Encodings
  "quoted-printable": quotedPrintable,
  "quoted-printable of CRLF": (body) => quotedPrintable(body).replaceAll("\n", "\r\n"),
  base64,
  "base64 of CRLF": (body) => base64(body.replaceAll("\n", "\r\n")),
  "base64 in short lines": (body) => base64(body, 40),
  "base64 in one line": (body) => `${btoa(body)}\n`,
  "base64, quoted": (body) => mapLines(base64(body), (line) => `> ${line}`),
  "base64, indented": (body) => mapLines(base64(body), (line) => `    ${line}`),
};

const then = (...names: string[]) => (body: string) => names.reduce((text, name) => FORMS[name]!(text), body);

/** Combinations of forms, applied in order. */
export const COMBINED: Record<string, (body: string) => string> = Object.fromEntries(
  [
    ["HTML, <br>", "quoted-printable"],
    ["HTML, <pre>", "quoted-printable"],
    ["HTML, <p> per line", "quoted-printable of CRLF"],
    ["HTML, <br>", "base64"],
    ["HTML, <div> per line", "base64"],
    ["HTML, &nbsp;", "UTF-16LE"],
    ["HTML, &nbsp;", "UTF-16LE", "base64"],
    ["UTF-16LE with a byte order mark", "base64"],
    ["UTF-16BE with a byte order mark", "base64"],
    ["UTF-16LE with CRLF", "base64 of CRLF"],
    ["UTF-16BE", "base64 in one line"],
    ["quoted-printable", "base64"],
    ["base64", "base64"],
    ["base64", "quoted-printable"],
    ['prefixed with "> "', "quoted-printable"],
    ['prefixed with "> "', "base64"],
    ['prefixed with "* "', 'prefixed with "> "'],
    ["with a space before the colon", 'prefixed with "> "'],
    ["with an empty line after every line", "quoted-printable"],
    ["with an empty line after every line", 'prefixed with "| "'],
    ['wrapped at 40, indented with "> "', "base64"],
    ['wrapped at 40, indented with ""', "quoted-printable"],
    ['wrapped at 55, indented with ""', 'prefixed with "# "'],
    ['prefixed with "> "', "HTML, <br>"],
    ['prefixed with "> "', "HTML, <p> per line"],
    ["HTML, <br> and line endings", 'prefixed with "> "'],
    ["with CRLF", "quoted-printable"],
    ["quoted-printable", "with CRLF"],
  ].map((names) => [names.join(", then "), then(...names)]),
);
