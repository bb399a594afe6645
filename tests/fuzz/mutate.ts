/** Mutations of messages: bytes, lines, folds, line endings, NULs, long lines, nested MIME, two messages combined. */
import fc from "fast-check";
import { decodeLatin1 } from "../../lib/bytes.ts";
import { quotedPrintable } from "../bounces.ts";
import { ROOT } from "../rig.ts";

/** One mutation. */
export interface Mutation {
  readonly kind: keyof typeof KINDS;
  readonly at: number;
  readonly size: number;
  readonly byte: number;
}

type Change = (mail: string, how: Mutation, other: string) => string;

/** The kinds of mutations; `other` is a second message. */
const KINDS = {
  flip: (mail, { at, byte }) => put(mail, at, 1, char(mail.charCodeAt(at % mail.length) ^ (1 << (byte % 8)))),
  replace: (mail, { at, byte }) => put(mail, at, 1, char(byte)),
  insert: (mail, { at, size, byte }) => put(mail, at, 0, char(byte).repeat(1 + size % 8)),
  delete: (mail, { at, size }) => put(mail, at, 1 + size % 64, ""),
  cut: (mail, { at }) => mail.slice(0, at % mail.length),
  nul: (mail, { at }) => put(mail, at, 0, "\0"),
  double: lines((all, at) => all.toSpliced(at, 0, all[at]!)),
  drop: lines((all, at, size) => all.toSpliced(at, 1 + size % 4)),
  swap: lines((all, at, size) => all.with(at, all[size % all.length]!).with(size % all.length, all[at]!)),
  move: lines((all, at, size) => all.toSpliced(at, 1).toSpliced(size % all.length, 0, all[at]!)),
  fold: (mail, { at, byte }) => put(mail, mail.indexOf(" ", at % mail.length), 0, byte % 2 === 0 ? "\n" : "\r\n"),
  unfold: (mail, { at }) => mail.slice(0, at % mail.length) + mail.slice(at % mail.length).replace(/\r?\n[ \t]/, " "),
  quote: lines((all, at, size) => all.map((line, nth) => nth >= at && nth < at + 1 + size % 30 ? `> ${line}` : line)),
  crlf: (mail) => mail.replace(/\r?\n/g, "\r\n"),
  mixed: (mail, { at }) => {
    let nth = 0;
    return mail.replace(/\n/g, () => (at >> (nth++ % 16)) & 1 ? "\r\n" : "\n");
  },
  bareCr: (mail, { at }) => put(mail, Math.max(0, mail.indexOf("\n", at % mail.length)), 1, "\r"),
  empty: lines((all, at, size) => all.toSpliced(at, 0, ...Array(1 + size % 300).fill(""))),
  long: (mail, { at, size, byte }) => put(mail, at, 0, char(byte).repeat(size)),
  many: lines((all, at, size) => all.toSpliced(at, 0, ...Array(size % 500).fill(all[at]!))),
  encode: (mail, { byte }) =>
    apart(mail, (body) => byte % 2 === 0 ? btoa(body).replace(/.{76}/g, "$&\n") : quotedPrintable(body)),
  nest: (mail, { size, byte }) => {
    const encoding = ["7bit", "base64", "quoted-printable"][byte % 3]!;
    const inner = byte % 3 === 1 ? btoa(mail).replace(/.{76}/g, "$&\n") : byte % 3 === 2 ? quotedPrintable(mail) : mail;
    let out = `Content-Type: message/rfc822\nContent-Transfer-Encoding: ${encoding}\n\n${inner}`;
    for (let depth = 0; depth < 1 + size % 20; depth++) {
      out = `Content-Type: multipart/mixed; boundary="b${depth}"\n\n--b${depth}\n${out}\n--b${depth}--\n`;
    }
    return `${mail.slice(0, mail.search(/\r?\n\r?\n/) + 1).replace(/^content-(?:.*\n[ \t])*.*\n/gim, "")}${out}`;
  },
  parts: (mail, { size }) => `${mail}\n${"--b0\nContent-Type: message/rfc822\n\n".repeat(size % 500)}`,
  splice: (mail, { at, size }, other) => mail.slice(0, at % mail.length) + other.slice(size % other.length),
  within: (mail, { at, size, byte }, other) => put(mail, at, 0, other.slice(size % other.length).slice(0, byte * 16)),
  heads: (mail, _, other) => other.slice(0, other.search(/\n\r?\n/) + 1) + mail,
} satisfies Record<string, Change>;

const char = (code: number): string => String.fromCharCode(code & 0xff);

function put(mail: string, at: number, size: number, text: string): string {
  const here = at < 0 ? 0 : at % (mail.length + 1);
  return mail.slice(0, here) + text + mail.slice(here + size);
}

/** A mutation of whole lines. */
function lines(change: (all: string[], at: number, size: number) => string[]): Change {
  return (mail, { at, size }) => {
    const all = mail.split("\n");
    return change(all, at % all.length, size).join("\n");
  };
}

/** Changes the body only. */
function apart(mail: string, change: (body: string) => string): string {
  const at = mail.search(/\n\r?\n/) + 1;
  return mail.slice(0, at) + change(mail.slice(at));
}

/** Up to five mutations. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...Object.keys(KINDS) as (keyof typeof KINDS)[]),
    at: fc.nat(1 << 20),
    size: fc.oneof(fc.nat(80), fc.nat(20_000)),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(...'\r\n \t<>@=.:-"'.split("").map((one) => one.charCodeAt(0)))),
  }, { noNullPrototype: true }),
  { maxLength: 5 },
);

/** A little longer than the prefix that a hook inspects. */
const MAX_LENGTH = 300 * 1024;

/** Applies the mutations to a message. */
export function mutated(mail: string, all: readonly Mutation[], other: string): string {
  return all.reduce(
    (text, how) => text === "" ? text : (KINDS[how.kind] as Change)(text, how, other || " ").slice(0, MAX_LENGTH),
    mail,
  );
}

const CORPUS = `${ROOT}/../shared/corpus`;

/** Other projects' bounces, if that folder exists. */
export const corpus: readonly string[] = (() => {
  try {
    const names = [...Deno.readDirSync(CORPUS)].map(({ name }) => name).filter((name) => name.endsWith(".eml")).sort();
    return names.map((name) => decodeLatin1(Deno.readFileSync(`${CORPUS}/${name}`)));
  } catch {
    return [];
  }
})();
