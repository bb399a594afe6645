/**
 * Replays every recorded call of a real mail client: the launcher runs under the recorded name with the recorded
 * arguments, environment and standard input, and a stub of a mail program records what it gets.
 */
import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { srsReverse, verifyTag } from "../../mod.ts";
import { Home, oneLine, type Ran, ROOT, SECRET } from "../rig.ts";
import { EXPECTED, type Row, type Sent } from "./clients_expected.ts";

const OWN = "me@example.org";

/** A recorded call. */
interface Recorded {
  argv: string[];
  env?: Record<string, string>;
  stdin_bytes?: number | null;
  stdin_crlf?: number | null;
  stdin_head?: string;
}

/** A replayed call. */
interface Replayed {
  key: string;
  call: Recorded;
  /** Its standard input, a character per byte. */
  input: string;
  ran: Ran;
  /** What the mail program got; undefined if it was not run. */
  argv: string[] | undefined;
  output: string | undefined;
  /** The files in the working directory afterwards. */
  files: string[];
}

const recorded = new Map<string, Recorded>();
const RECORDING = `${ROOT}/tests/recorded/clients.json`;
for (const run of JSON.parse(Deno.readTextFileSync(RECORDING)) as { label: string; calls: Recorded[] }[]) {
  run.calls.forEach((call, index) => {
    const key = `${run.label} #${index}`;
    assert.ok(!recorded.has(key), `two calls have the label ${key}`);
    recorded.set(key, call);
  });
}

const rows = new Map<string, Row>();
for (const [label, row] of Object.entries(EXPECTED)) {
  [row].flat().forEach((single, index) => rows.set(`${label} #${index}`, single));
}

/** The message where none was recorded. Its lone dot must not end it. */
const DEFAULT_INPUT = `From: Me <${OWN}>\nTo: to@a.example\nSubject: s\nDate: Fri, 20 Nov 2026 05:00:00 +0000\n` +
  `Message-ID: <plain@example.org>\n\nbody\n.\nafter dot\n`;

/** The bytes that the client wrote. Recordings show 8-bit bytes as \xe9, and some lost the CRs. */
function inputOf({ stdin_head: text, stdin_bytes: bytes, stdin_crlf: crlf }: Recorded): string {
  if (text === undefined) return DEFAULT_INPUT;
  let input = decodeLatin1(new TextEncoder().encode(text));
  if (crlf && !input.includes("\r")) input = input.replaceAll("\n", "\r\n");
  if (typeof bytes === "number" && bytes !== input.length) {
    input = input.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  return input;
}

/** Records its arguments and its input, with `>>` so that a second run would be noticed. */
const STUB = `#!/bin/sh
printf '%s\\n' "$@" >>"\${0%/*}/argv"
exec cat >>"\${0%/*}/stdin"
`;

/** Replays calls one after the other in one home. */
async function replay(calls: Iterable<[string, Recorded]>): Promise<Replayed[]> {
  using home = new Home();
  const stub = home.write("stub/run", STUB, 0o755);
  const identity = `[[identity]]\naddress = "${OWN}"\nsrs_domain = "srs.example.org"\n`;
  const transport = `[transport]\nvia = "command"\npreset = "sendmail"\ncommand = ["${stub}"]\n`;
  home.write(".config/countersign/config.toml", identity + transport);
  Deno.mkdirSync(`${home.path}/as`);

  const out: Replayed[] = [];
  for (const [key, call] of calls) {
    const program = `${home.path}/as/${nameOf(call)}`;
    Deno.symlinkSync(`${ROOT}/shim/shim`, program);
    const input = inputOf(call);
    const { HOME: _home, PATH: _path, ...env } = call.env ?? {};
    const ran = await home.run([program, ...call.argv.slice(1)], encodeLatin1(input), env);
    Deno.removeSync(program);
    const [argv, output] = [take(`${home.path}/stub/argv`), take(`${home.path}/stub/stdin`)];
    const files = [...Deno.readDirSync(home.path)].map((entry) => entry.name);
    out.push({ key, call, input, ran, argv: argv === undefined ? argv : lines(argv), output, files });
  }
  return out;
}

function nameOf(call: Recorded): string {
  return call.argv[0]!.replace(/^.*\//, "");
}

/** Reads and removes a file. @returns its bytes, a character per byte; undefined if it does not exist */
function take(path: string): string | undefined {
  try {
    const content = decodeLatin1(Deno.readFileSync(path));
    Deno.removeSync(path);
    return content;
  } catch {
    return undefined;
  }
}

function lines(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

/** The header fields and the body of a message with LF. Deliberately independent of the parser under test. */
function split(message: string): { fields: string[]; body: string } {
  const end = `\n${message}`.indexOf("\n\n");
  assert.ok(end >= 0 || message === "", `no empty line in ${JSON.stringify(message)}`);
  const header = message.slice(0, Math.max(end, 0));
  return { fields: header === "" ? [] : lines(header).join("\n").split(/\n(?![ \t])/), body: message.slice(end + 1) };
}

const nameOfField = (field: string) => field.slice(0, field.indexOf(":")).trim().toLowerCase();
const value = (fields: string[], wanted: string) => {
  const found = fields.find((field) => nameOfField(field) === wanted) ?? "";
  return found.slice(found.indexOf(":") + 1).trim();
};

function checkSent(row: Sent, { input, ran, argv = [], output = "" }: Replayed): void {
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" }, "success is silent");

  // The envelope.
  const sender = argv[1] === "-f" ? argv[2] : undefined;
  const senderOption = sender === undefined ? [] : ["-f", sender];
  assert.deepEqual(argv, ["-i", ...senderOption, ...row.dsn, "--", ...row.to], "the arguments");
  if (row.scheme === "none") assert.equal(sender, row.sender, "the sender");
  else {
    assert.match(sender ?? "", /^SRS0=[^@]+@srs\.example\.org$/);
    assert.equal(
      srsReverse(sender!, { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now: new Date() }),
      OWN,
    );
  }

  // The message: CRs, the mbox line and three fields are removed, missing fields are added at the end and the tag below
  // the Message-ID. Nothing else changes.
  assert.ok(!output.includes("\r"), "no CR is left");
  const before = split(input.replaceAll("\r\n", "\n").replace(/^From .*\n/, ""));
  const after = split(output);
  const kept = before.fields.filter((field) => !["bcc", "resent-bcc", "return-path"].includes(nameOfField(field)));
  const untagged = row.tagged ? after.fields.filter((field) => nameOfField(field) !== "x-msgauth") : after.fields;
  assert.deepEqual(untagged.slice(0, kept.length), kept, "existing fields");
  const missing = ["from", "date", "message-id"].filter((wanted) =>
    !kept.some((field) => nameOfField(field) === wanted)
  );
  assert.deepEqual(untagged.slice(kept.length).map(nameOfField), missing, "added fields");
  const below = after.fields[after.fields.findIndex((field) => nameOfField(field) === "message-id") + 1];
  assert.equal(nameOfField(below ?? ":") === "x-msgauth", row.tagged, "the tag");
  for (const name of ["from", "date", "message-id"]) {
    assert.equal(after.fields.filter((field) => nameOfField(field) === name).length, 1, `exactly one ${name}`);
    assert.notEqual(value(after.fields, name), "");
  }
  if (missing.includes("from")) assert.equal(value(after.fields, "from"), row.sender ?? OWN);
  if (row.tagged) {
    const secrets = { k1: SECRET };
    verifyTag(value(after.fields, "x-msgauth"), OWN, value(after.fields, "message-id"), { secrets, now: new Date() });
  }
  assert.equal(after.body, before.body, "the body");
}

function check(replayed: Replayed): void {
  const row = rows.get(replayed.key);
  assert.ok(row, "it has no row");
  if (row.exit === 0) checkSent(row, replayed);
  else {
    oneLine(replayed.ran, row.exit, row.says);
    assert.ok(replayed.ran.stderr.startsWith(`${nameOf(replayed.call)}: `), replayed.ran.stderr);
    assert.equal(replayed.ran.stdout, "");
    assert.equal(replayed.argv, undefined, "nothing is sent");
  }
  // -X, -O and similar options must not create files.
  const ownFiles = [".config", ".local", "as", "bin", "stub"];
  assert.deepEqual(replayed.files.filter((file) => !ownFiles.includes(file)), []);
}

Deno.test("every recorded call has a row, and every row a call", () => {
  assert.deepEqual([...rows.keys()].sort(), [...recorded.keys()].sort());
});

Deno.test("the recorded input is reconstructed byte for byte", () => {
  for (const [key, call] of recorded) {
    if (typeof call.stdin_bytes !== "number") continue;
    const input = inputOf(call);
    assert.equal(input.length, call.stdin_bytes, key);
    assert.equal(input.split("\r\n").length - 1, call.stdin_crlf, key);
  }
});

Deno.test("recorded calls of mail clients are replayed", async () => {
  // All homes share one iterator, so each takes the next call when it has finished one.
  const queue = recorded.entries();
  const replayed = (await Promise.all([1, 2, 3, 4].map(() => replay(queue)))).flat();
  assert.equal(replayed.length, recorded.size);
  const failures: string[] = [];
  for (const one of replayed) {
    try {
      check(one);
    } catch (error) {
      failures.push(`${one.key}: ${(error as Error).message}`);
    }
  }
  assert.equal(failures.join("\n"), "");
});
