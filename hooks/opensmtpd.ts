/**
 * A filter of OpenSMTPD, which asks `countersign serve` on the socket `lookup`. smtpd exits when its filter exits, so
 * it runs until smtpd closes its input, and passes all mail while serve is down.
 */
import { decodeLatin1, encodeLatin1 } from "../lib/bytes.ts";
import { errorText, reason } from "../lib/fail.ts";
import { printError } from "../io/system/log.ts";
import { printInformation } from "../io/system/information.ts";
import { writeOut } from "../io/system/input.ts";
import { USUAL_LOOKUP } from "../lib/paths.ts";
import { askDoor } from "./door.ts";
import { type AskDoor, OpenSmtpdFilter } from "./opensmtpd_filter.ts";

const HELP = `Usage: opensmtpd
A filter for OpenSMTPD, which asks the socket lookup of countersign serve; see countersign-opensmtpd(8).

Example: filter countersign proc-exec "/usr/local/lib/countersign/hooks/opensmtpd" in smtpd.conf`;

/** Requests at a time: serve accepts 200 connections, and other programs ask, too. */
const MAX_REQUESTS = 100;
/** Milliseconds for which a server that did not respond in time is not queried again, so that sessions do not wait. */
const PAUSE_MS = 10_000;
/** Milliseconds between reports that the server is down. */
const REPORT_MS = 60_000;

/** Returns a function that asks the server at this path, and reports when it is down. */
export function askingAt(path: string, report: (what: string) => void, clock: () => number = Date.now): AskDoor {
  let running = 0;
  let pausedUntil = 0;
  let reportAfter = 0;
  const waiting: (() => void)[] = [];
  return async (envelope, message) => {
    if (running >= MAX_REQUESTS) await new Promise<void>((go) => waiting.push(go));
    else running++;
    const start = clock();
    try {
      if (start < pausedUntil) return undefined;
      return await askDoor(path, envelope, message);
    } catch (error) {
      const now = clock();
      if (now - start > 1000) pausedUntil = now + PAUSE_MS;
      if (now >= reportAfter) {
        reportAfter = now + REPORT_MS;
        report(`${errorText(error)}; mail is accepted`);
      }
      return undefined;
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

async function run(name: string): Promise<void> {
  const path = Deno.env.get("COUNTERSIGN_LOOKUP") || USUAL_LOOKUP;
  // One write at a time, so that no line is split by another.
  let written = Promise.resolve();
  const write = (lines: string) => {
    written = written.then(() => writeOut(encodeLatin1(lines)));
    written.catch(() => {}); // reported below
  };
  const filter = new OpenSmtpdFilter(write, askingAt(path, (what) => printError(name, what)));
  const buffer = new Uint8Array(256 * 1024);
  for (let size; (size = await Deno.stdin.read(buffer)) !== null;) {
    const lines = filter.take(decodeLatin1(buffer.subarray(0, size)));
    if (lines !== "") write(lines);
    await written; // smtpd reads before more is taken from it, so that memory stays small
  }
}

if (import.meta.main) {
  const [name = "opensmtpd", argument] = Deno.args;
  if (printInformation(argument, HELP)) Deno.exit(0);
  // smtpd has ended.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => Deno.exit(0));
  try {
    await run(name);
  } catch (error) {
    printError(name, reason(error));
    Deno.exit(1);
  }
  Deno.exit(0);
}
