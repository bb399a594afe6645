/** What the parts of a runner of the outbox share. */
import { type Account, accountsIn } from "../../lib/settings/accounts.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { loadIdentities } from "../system/load.ts";
import { outboxFolder } from "./store.ts";

/** A run, or the shim while it sends a message. */
export interface OutboxContext {
  readonly settings: Settings;
  readonly identities: readonly Identity[];
  readonly accounts: readonly Account[];
  /** The folder of the outbox. */
  readonly outbox: string;
  readonly signal: AbortSignal;
  /** Returns the time. */
  readonly clock: () => Date;
  /** Prints a line, which cron mails or the journal records. */
  readonly print: (line: string) => void;
}

/** Returns the context for these settings. */
export function outboxContext(settings: Settings, signal: AbortSignal, print: (line: string) => void): OutboxContext {
  return {
    settings,
    identities: loadIdentities(settings),
    accounts: accountsIn(settings),
    outbox: outboxFolder(settings.state.folder),
    signal,
    clock: () => new Date(),
    print,
  };
}
