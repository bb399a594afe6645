/** Sends undeliverable messages, and waits until the log shows that their bounces returned. */
import { probeMessageId } from "../../lib/probe.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { directionOf, fields } from "../log/line.ts";
import { lines, sizeOf } from "../log/read.ts";
import type { Finding, Where } from "./finding.ts";

/** The parameters of the test. */
export interface Loop {
  /** The addresses to send from, and their lines in the settings. */
  readonly from: readonly { readonly name: string; readonly where: Where }[];
  /** A nonexistent recipient. */
  readonly to: string;
  /** Time limit for the bounces, in milliseconds. */
  readonly timeoutMs: number;
  readonly settings: Settings;
  readonly shim: string;
  /** Runs the shim as mutt does, without an envelope sender. */
  send(argv: readonly string[], message: string): Promise<{ readonly code: number; readonly said: string }>;
}

/**
 * Returns an address in a domain that does not exist (RFC 6761 section 6.4), so that no server receives the message.
 */
export const nonexistentAddress = (): string => `countersign-loop-${crypto.randomUUID().slice(0, 8)}@loop.invalid`;

/** A message that was sent. */
interface Sent {
  readonly name: string;
  readonly where: Where;
  /** The Message-ID. */
  readonly id: string;
}

/** Sends a message from each address, then waits for all bounces. */
export async function checkLoop(loop: Loop): Promise<{ findings: Finding[]; notes: string[] }> {
  const findings: Finding[] = [];
  const sent: Sent[] = [];
  const begun = performance.now();
  const from = sizeOf(logOf(loop));
  for (const { name, where } of loop.from) {
    const id = probeMessageId(crypto.randomUUID(), name.slice(name.lastIndexOf("@") + 1));
    const { code, said } = await loop.send([loop.shim, "-oi", "--", loop.to], message(name, loop.to, id));
    if (code === 0) sent.push({ name, where, id });
    else findings.push(notSent(name, loop, said === "" ? `status ${code}` : said));
  }
  const notes: string[] = [];
  const returned = await waitForBounces(sent, loop, from, (name) => {
    notes.push(
      `The bounce of a message from ${name} returned after ${((performance.now() - begun) / 1000).toFixed(1)} s`,
    );
  });
  for (const one of sent) findings.push(...findingsAbout(one, returned.get(one.id), loop));
  return { findings, notes };
}

function message(from: string, to: string, id: string): string {
  return [
    `From: ${from}`,
    `To: ${to}`,
    "Subject: countersign doctor --loop",
    `Message-ID: ${id}`,
    "",
    "This message is undeliverable: its bounce shows that bounces return.",
    "",
  ].join("\n");
}

/** A log line about a bounce. */
type Line = ReturnType<typeof fields>;

const hasReturned = ({ result, outcome }: Line): boolean =>
  (result === "genuine" || result === "late") && outcome !== "defer";

/** Returns the log lines about the bounces after offset `from`; waits until all have returned, or the time is over. */
async function waitForBounces(
  sent: readonly Sent[],
  loop: Loop,
  from: number,
  tell: (name: string) => void,
): Promise<Map<string, Line>> {
  const seen = new Map<string, Line>();
  let missing = sent.length;
  if (missing === 0) return seen;
  for await (const text of lines(logOf(loop), AbortSignal.timeout(loop.timeoutMs), from)) {
    const line = fields(text);
    const one = sent.find(({ id }) => directionOf(line) === "in" && line["original"] === id);
    if (one === undefined || hasReturned(seen.get(one.id) ?? {})) continue;
    seen.set(one.id, line);
    if (!hasReturned(line)) continue;
    tell(one.name);
    if (--missing === 0) break;
  }
  return seen;
}

const logOf = ({ settings }: Loop): string => `${settings.state.folder}/log`;

function notSent(name: string, { shim, to }: Loop, said: string): Finding {
  return {
    id: "loop-not-sent",
    what: `The shim cannot send from ${name}: ${said}`,
    where: { file: shim },
    why: "Your other mail cannot be sent, either.",
    fix: `Fix the reported error. If only ${to} is rejected: countersign doctor --loop --to ` +
      "ADDRESS, with a recipient that your mail server accepts and another rejects",
  };
}

/** Returns the findings about a message, whose log line may be missing. */
function findingsAbout({ name, where, id }: Sent, line: Line | undefined, loop: Loop): Finding[] {
  if (line === undefined) return [notReturned(name, where, loop)];
  if (hasReturned(line)) return [];
  const { result, check, outcome, why } = line;
  if (outcome === "defer") {
    return [{
      id: "loop-deferred",
      what: `The bounce to ${name} reached the hook, which deferred it: ${why}`,
      where: { file: logOf(loop) },
      why: "It stays queued, like all other bounces.",
      fix: `Fix the error that the hook reported in the mail log; its own log line has ${id}`,
    }];
  }
  const known = result === "known";
  return [{
    id: known ? "loop-only-known" : "loop-misjudged",
    what: known
      ? `The bounce of a message from ${name} was recognized only by its Message-ID (result known): ${why}`
      : `The bounce of a message from ${name} got the result ${result}: ${why}`,
    where: { file: logOf(loop) },
    why: known
      ? "The signed envelope sender and the tag were lost, so that nothing proves that the bounce is genuine."
      : "The hook does not recognize bounces of the mail you send.",
    fix: `Run countersign explain on the message that was just ${outcome}: check ${check} shows what is missing; ` +
      "is the recipient rewritten on the way, or does the hook use other keys or another state folder?",
  }];
}

function notReturned(name: string, where: Where, { settings, to, timeoutMs }: Loop): Finding {
  const { preset, via } = settings.transport;
  const queue = via !== "command" ? undefined : QUEUES[preset];
  const [, domain = ""] = /@([^@]*)$/.exec(name) ?? [];
  const home = settings.identity.find((one) => one.address.toLowerCase() === name)?.srs_domain || domain;
  return {
    id: "loop-not-returned",
    what: `The bounce of a message from ${name} to ${to} did not return within ${timeoutMs / 1000} s`,
    where,
    why: "You do not learn that your mail was not delivered, or bounces reach you without passing through the hook.",
    fix: [
      `Is the message or its bounce still queued? ${queue ?? "Check the queue of your mail server"}`,
      `does the MX of ${home} point here? countersign doctor --dns`,
      "does the filter of that address call the hook, as a user who can write this log?",
      `is it just slow? countersign doctor --loop --wait ${timeoutMs / 100}`,
    ].join("; "),
  };
}

/** Commands that show the queue. */
const QUEUES: Record<string, string> = {
  "qmail-inject": "/var/qmail/bin/qmail-qread",
  postfix: "mailq",
  sendmail: "mailq",
  exim: "exim -bp",
  dma: "mailq",
  nullmailer: "mailq",
};
