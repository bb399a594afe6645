/** Judges a file of a maildir as the hook would have judged the message when it was delivered. */
import { Fail, provesMissing, reason } from "../../lib/fail.ts";
import type { Delivery } from "../../incoming/delivery.ts";
import type { JudgeContext, Verdict } from "../../incoming/verdict.ts";
import { contentOf } from "../../hooks/content.ts";
import { type Input, PREFIX_BYTES, readInput } from "../../io/system/input.ts";
import { storesFor } from "../../io/state/lookups.ts";
import { arrivalOf, decideRecorded, recordedEnvelope } from "../recorded.ts";

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
  const arrived = arrivalOf(header, info.mtime);
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
