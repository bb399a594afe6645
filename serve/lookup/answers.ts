/** Answers requests from the store, or by judging a message. */
import { dayOf } from "../../lib/date.ts";
import { LEDGER_DAYS } from "../../lib/entry.ts";
import { errorText, Fail } from "../../lib/fail.ts";
import { cutHead, parseHead } from "../../lib/message.ts";
import type { Bytes } from "../../lib/bytes.ts";
import type { Delivery } from "../../incoming/delivery.ts";
import { LOOKUP_VERSION } from "../../io/state/shared/ask.ts";
import type { SharedStore } from "../../io/state/shared/store.ts";
import { log } from "../../io/system/log.ts";
import {
  decideMessage,
  decideRecipient,
  type Decision,
  type DoorContext,
  identityNamed,
  logClient,
  notRejected,
  whyNotJudged,
} from "../decisions.ts";
import type { Loaded } from "../loaded.ts";
import type { ReceivedRequest } from "./reader.ts";
import type { LookupRequest } from "./requests.ts";

/** A store and its kind. */
export interface NamedStore {
  readonly kind: "redis" | "files";
  readonly store: SharedStore;
}

/** The current settings, and the store; undefined when the state is not shared. */
export interface Answering {
  readonly loaded: () => Loaded;
  readonly store: NamedStore | undefined;
}

/** Answers a request. @returns the line @throws {Fail} `data` for an invalid request */
export async function answerTo(received: ReceivedRequest, context: Answering): Promise<string> {
  try {
    const { request, payload } = received;
    const answer = request.request === "judge"
      ? await judged(request, payload, context.loaded())
      : await fromStore(request, payload, context.store);
    return line(answer);
  } catch (error) {
    if (isInvalid(error)) throw error;
    return line({ error: errorText(error), temporary: true });
  }
}

/** Returns the line for an invalid request, which must not be repeated. */
export function errorLine(error: unknown): string {
  return line({ error: errorText(error) });
}

const isInvalid = (error: unknown): boolean => error instanceof Fail && error.kind === "data";

const line = (answer: object): string => `${JSON.stringify({ version: LOOKUP_VERSION, ...answer })}\n`;

async function fromStore(
  request: Exclude<LookupRequest, { request: "judge" }>,
  payload: Bytes | undefined,
  named: NamedStore | undefined,
): Promise<object> {
  if (named === undefined) {
    if (request.request === "status") return { store: null };
    const fix = "set state.lookup or state.redis in the settings of countersign serve";
    throw new Fail("config", "The state is not shared", { fix });
  }
  const { store, kind } = named;
  const today = dayOf(new Date());
  switch (request.request) {
    case "sent":
      return { sent: await store.sent(request.names) };
    case "remember":
      checkDay(request.day, today);
      await store.rememberSent(request.name, { day: request.day, signed: request.signed });
      return DONE;
    case "entries":
      return { entries: await store.entries(request) };
    case "issue":
      checkDay(request.expires, today + LEDGER_DAYS);
      await store.issue(request.names, request.expires, new TextDecoder().decode(payload));
      return DONE;
    case "claim":
      return { claim: await store.claim(request.name) ?? null };
    case "settle":
      await store.settle(request.claim, request.state);
      return DONE;
    case "forget":
      await store.noteForgotten(Math.min(request.time, Date.now()));
      return DONE;
    case "forgotten":
      return { forgotten: await store.silentHost?.() === undefined ? finite(await store.lastForgotten()) : Date.now() };
    case "status": {
      await store.lastForgotten();
      const silent = await store.silentHost?.();
      return { store: kind, ...(silent !== undefined && { silent }) };
    }
  }
}

/** Records expire a fixed time after their day, so a day in the future would fill the store forever. */
function checkDay(day: number, most: number): void {
  // Midnight may have passed since the request was written.
  if (day > most + 1) throw new Fail("data", "Request is malformed: the day is in the future");
}

const DONE = { done: true } as const;

/** JSON has no Infinity, which means that the time cannot be determined. */
const finite = (time: number | undefined): number | null => time === Infinity ? Date.now() : time ?? null;

type JudgeRequest = Extract<LookupRequest, { request: "judge" }>;

async function judged(request: JudgeRequest, message: Bytes | undefined, loaded: Loaded): Promise<object> {
  const { sender, recipient } = request;
  const context = { loaded, now: new Date(), sender };
  const envelope = decideRecipient(recipient, context);
  const early = envelope.needsMessage !== true;
  if (!early && message === undefined) return needed(recipient, context);
  const decision = early ? envelope : await decideContent(request, message!, context);
  record(decision, context);
  const { error, result, check, why } = decision.event ?? {};
  if (error !== undefined) throw new Fail("temporary", String(error));
  const reply = decision.reply === undefined ? {} : { reply: decision.reply.split("\r\n") };
  return { result: result ?? (reply.reply ? undefined : "other"), check, reason: why, ...reply };
}

/** Asks for the message, and says whether it could be rejected: if not, nobody needs to defer other recipients. */
function needed(recipient: string, context: DoorContext): object {
  const why = whyNotJudged(context);
  if (why === undefined) return { need: "message" };
  record({ event: { identity: identityNamed(recipient, context), outcome: "passed", why } }, context);
  return { need: "message", rejects: false };
}

/** Decides by the message, which is rejected only if the settings and the state allow that. */
async function decideContent(
  { sender, recipient, whole }: JudgeRequest,
  message: Bytes,
  context: DoorContext,
): Promise<Decision> {
  // The end of a long header is beyond the part of the message that was sent.
  const { header, bodyStart, cut = false } = parseHead(message, whole) ?? cutHead(message);
  const delivery: Delivery = {
    sender,
    recipients: [recipient],
    header,
    prefix: message,
    bodyStart,
    cut,
    whole: whole && !cut,
    unread: !whole,
  };
  const { reply, ...decision } = await decideMessage(delivery, context);
  if (reply === undefined) return decision;
  const reason = whyNotJudged(context);
  if (reason === undefined) return { ...decision, reply };
  const why = notRejected(String(decision.event?.why), reason);
  return { ...decision, ...(decision.event && { event: { ...decision.event, outcome: "passed", why } }) };
}

function record({ event }: Decision, context: DoorContext): void {
  if (event === undefined) return;
  log(context.loaded.settings, { direction: "in", at: "lookup", ...logClient(context), ...event });
}
