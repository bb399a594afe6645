/** Judges a file of a maildir as the hook would have judged the message when it was delivered. */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import { type Header, named, valueOf } from "../../lib/message.ts";
import type { Delivery } from "../../incoming/delivery.ts";
import type { JudgeContext, Verdict } from "../../incoming/verdict.ts";
import { contentOf } from "../../hooks/content.ts";
import { type Input, PREFIX_BYTES, readInput } from "../../io/system/input.ts";
import { storesFor } from "../../io/state/lookups.ts";
import { decideRecorded, recordedEnvelope } from "../recorded.ts";

/** A message, its delivery and the verdict. */
export interface JudgedMail {
  readonly verdict: Verdict;
  readonly delivery: Delivery;
  /** Its beginning. The file is closed. */
  readonly input: Pick<Input, "head" | "prefix" | "whole">;
  readonly info: Deno.FileInfo;
  /** When a server received it. */
  readonly arrived: Date;
}

/**
 * Judges a file. Challenges are not answered, as by a filter.
 *
 * @throws {Fail} `temporary` when the message or a store cannot be read; the error of a missing file
 */
export async function judgeFile(path: string, context: JudgeContext): Promise<JudgedMail> {
  using file = open(path);
  const input = await readInput(PREFIX_BYTES, false, file);
  const { head: { header, bodyStart }, prefix } = input;
  const { sender, recipients } = await recordedEnvelope({ header, prefix, bodyStart });
  const content = await contentOf(input, sender);
  const stores = storesFor("filter", context.settings, context.now);
  const info = file.statSync();
  const arrived = arrivalOf(header, info);
  const judging = { ...context, ...stores, ...(arrived < context.now && { arrived }) };
  const { verdict, delivery } = await decideRecorded({ sender, recipients, ...content }, judging);
  return { verdict, delivery, input, info, arrived };
}

/** Opens a message. @throws {Fail} `temporary`; the error of a missing file */
export function open(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (provesMissing(error)) throw error;
    throw new Fail("temporary", `Message cannot be read: ${reason(error)}`, { file: path, cause: error });
  }
}

/**
 * Matches the Received fields of programs that fetch mail, such as fetchmail and getmail, from the first `by` on: they
 * name the protocol. In the field of a server, the sender chooses names before it, which have no spaces, and sometimes
 * an address behind the protocol.
 */
const FETCHED = /^by\s{1,20}\S{1,255}\s{1,20}with\s{1,20}(?:POP3|IMAP4?|SDPS|ETRN|ODMR)\b/i;

/** Whether a program that fetches mail wrote this Received field. A sender cannot make it look so. */
const isFetched = (received: string): boolean => FETCHED.test(received.slice(received.search(/(?<!\S)by\s/i)));

/** Returns when a server received the message; without such a field, when the file was written. */
function arrivalOf(header: Header, info: Deno.FileInfo): Date {
  const received = header.find((one) => named(one, "Received") && !isFetched(valueOf(one)));
  const text = received === undefined ? "" : valueOf(received);
  const date = new Date(text.slice(text.lastIndexOf(";") + 1).replace(/\([^()]*\)/g, " "));
  return Number.isNaN(date.getTime()) ? info.mtime ?? new Date() : date;
}
