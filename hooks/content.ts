/** The inspected part of a message: its beginning and, if a bounce comes as a file, its end. */
import type { Input } from "../io/system/input.ts";
import type { Delivery } from "../incoming/delivery.ts";
import { isBounceSender } from "../incoming/verdict.ts";

/** The part of a delivery that is read from the message. */
export type Content = Pick<Delivery, "header" | "prefix" | "bodyStart" | "cut" | "whole" | "tail" | "unread">;

/** Reads the end of the message only if a returned header may be there. */
export async function contentOf(input: Input, sender: Delivery["sender"]): Promise<Content> {
  const { prefix, whole, head: { header, bodyStart, cut = false } } = input;
  const content = { header, prefix, bodyStart, cut, whole };
  if (whole) return { ...content, unread: false };
  const end = isBounceSender(sender)
    ? (await import("../io/system/tail.ts")).readTail(input.from, prefix.length)
    : undefined;
  return end === undefined ? { ...content, unread: true } : { ...content, tail: end.bytes, unread: end.gap };
}
