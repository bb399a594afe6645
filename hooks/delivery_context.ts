/** What acting on a verdict requires, and its result. */
import type { Settings } from "../lib/settings/parse.ts";
import type { Caller, Delivery } from "../incoming/delivery.ts";
import type { Outcome } from "./exits.ts";

/** What the hook did and why; the reason may differ from that of the verdict. */
export interface HookResult {
  readonly outcome: Outcome;
  readonly reason: string;
}

/** A delivery, and what is needed to act on it. */
export interface DeliveryContext {
  readonly caller: Caller;
  readonly settings: Settings;
  readonly delivery: Delivery;
  /** The body. It can be read once, or repeatedly if the whole message is in the prefix. */
  body(): AsyncIterable<Uint8Array>;
  readonly now: Date;
  readonly abort: AbortSignal;
}
