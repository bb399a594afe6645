/** What of a message is looked at: its beginning, and of a bounce that comes as a file also its end. */
import type { Input } from "../io/system/input.ts";
import type { Delivery } from "../incoming/delivery.ts";
import { isBounceSender } from "../incoming/verdict.ts";

/** The part of a delivery that is read from the message. */
export type Content = Pick<Delivery, "header" | "prefix" | "bodyStart" | "cut" | "whole" | "tail" | "unread">;

/** Reads the end of the message only where a returned header is looked for. */
export async function contentOf(input: Input, sender: Delivery["sender"]): Promise<Content> {
  const { prefix, whole, head: { header, bodyStart, cut = false } } = input;
  const content = { header, prefix, bodyStart, cut, whole };
  if (whole) return { ...content, unread: false };
  const end = isBounceSender(sender)
    ? (await import("../io/system/tail.ts")).readTail(input.from, prefix.length)
    : undefined;
  return end === undefined ? { ...content, unread: true } : { ...content, tail: end.bytes, unread: end.gap };
}
