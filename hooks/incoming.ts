/** The hook: reads a message, judges it and acts. The first of `Deno.args` is the name by which it was called. */
import { concat } from "../lib/bytes.ts";
import { errorText, Fail, reason } from "../lib/fail.ts";
import { checkArguments, env } from "../io/system/environment.ts";
import { printError } from "../io/system/log.ts";
import { drain, type Input, PREFIX_BYTES, readInput, writeOut } from "../io/system/input.ts";
import { readBelowHome } from "../io/system/files.ts";
import { configFile, loadIdentities, loadSettings } from "../io/system/load.ts";
import { printHead } from "../lib/message.ts";
import { pathOf } from "../lib/settings/mailbox.ts";
import { abortOnSignal, untilAborted } from "../io/system/signals.ts";
import type { DeliveryContext, HookResult } from "./delivery_context.ts";
import { recipientIdentity } from "../incoming/checks/addressed.ts";
import { contentOf } from "./content.ts";
import { type Caller, type Delivery, envelope } from "../incoming/delivery.ts";
import { decide, storesFor } from "../io/state/lookups.ts";
import { DONE, exitStatus, type Outcome } from "./exits.ts";
import { failureReason } from "../io/transport/rejected.ts";
import type { Verdict } from "../incoming/verdict.ts";
import { callerIn, type Options, parseOptions } from "./options.ts";
import { chooseDestination, type Destination } from "./destination.ts";
import { withoutResults, withoutResultsInRest, withResult } from "./result_field.ts";
import { record } from "./record.ts";
import { tidy } from "./tidy.ts";

/** Runs the hook. @returns the exit status */
export async function incoming(name: string, args: readonly string[]): Promise<number> {
  let caller = callerIn(args);
  try {
    const options = parseOptions(args);
    caller = options.caller;
    if (options.text !== undefined) {
      console.log(options.text);
      return 0;
    }
    // Check only options that the user wrote. A sender chooses the envelope, and an unreadable address must not defer.
    checkArguments([options.config ?? "", options.mailbox === undefined ? "" : pathOf(options.mailbox)]);
    if (caller === "filter") return await filter(name, options);
    const { outcome, last } = await handle(name, options);
    return exitStatus(caller, outcome, last);
  } catch (error) {
    printError(name, errorText(error));
    return exitStatus(caller, "defer", false);
  }
}

async function handle(name: string, options: Options): Promise<{ outcome: Outcome; last: boolean }> {
  const { settings, identities } = load(options);
  const input = await readInput(PREFIX_BYTES, false);
  const now = new Date();
  const delivery = await received(options, input);
  const context = { settings, identities, now };
  if (delivery.sender === undefined && options.caller === "qmail") {
    const what = "SENDER is not set";
    record(context, delivery, undefined, { outcome: "defer", reason: what });
    throw new Fail("temporary", what, { fix: "run the hook from qmail-local, or add --as" });
  }
  // Created late and only if needed, because signal listeners cost time.
  const deliveryContext = (): DeliveryContext => {
    const abort = abortOnSignal();
    const body = () => untilAborted(bodyOf(input), abort);
    return { caller: options.caller, settings, delivery, body, now, abort };
  };

  const plain = recipientIdentity(delivery, context) !== undefined;
  let verdict: Verdict | undefined;
  let destination: Destination | undefined;
  let result: HookResult;
  try {
    ({ verdict } = await decide(delivery, { ...context, ...storesFor(options.caller, settings, now) }));
    destination = await chooseDestination({ name, options, settings, verdict, plain }, env, readBelowHome);
    result = leave(options.caller, verdict, destination) ??
      // Imported late, because a genuine bounce under qmail does not need it.
      await (await import("./act.ts")).act(verdict, destination, deliveryContext());
  } catch (error) {
    record(context, delivery, verdict, { outcome: "defer", reason: failureReason(error, settings.log_addresses) });
    throw error;
  }
  record(context, delivery, verdict, result);
  await tidy(settings, destination, now);
  const { outcome } = result;
  // qmail passes a file; for other callers a pipe that is closed early is an error.
  if (!DONE.includes(outcome) && options.caller !== "qmail") await drain(input.body());
  return { outcome, last: destination !== undefined };
}

/** Returns the result if the caller delivers or redirects the message itself. */
function leave(
  caller: Caller,
  { action, reason }: Verdict,
  destination: Destination | undefined,
): HookResult | undefined {
  // condredirect redirects the message itself and needs only the status.
  if (caller === "condredirect") {
    return { outcome: action === "spam" ? "redirected" : "go-on", reason };
  }
  return action === "deliver" && destination === undefined ? { outcome: "go-on", reason } : undefined;
}

/** Copies the message and adds a result field. On any error the message is copied without the field. */
async function filter(name: string, options: Options): Promise<number> {
  const input = await readInput(PREFIX_BYTES, false);
  // Remove forged result fields even if the message cannot be judged.
  const { header, headStart, cut } = input.head;
  const mbox = input.prefix.subarray(0, headStart); // keep procmail's `From ` line
  let head = concat(mbox, printHead(withoutResults(header), cut));
  try {
    const { settings, identities } = load(options);
    const delivery = await received(options, input);
    const now = new Date();
    const context = { settings, identities, now };
    const { verdict } = await decide(delivery, { ...context, ...storesFor("filter", settings, now) });
    head = concat(mbox, printHead(withResult(header, verdict), cut));
    record(context, delivery, verdict, { outcome: "go-on", reason: verdict.reason }, options.probe);
  } catch (error) {
    printError(name, `${reason(error)}; the message goes through unmarked`);
  }
  await writeOut(head);
  for await (const chunk of bodyOf(input)) await writeOut(chunk);
  return exitStatus("filter", "go-on", false);
}

/** Returns the body to write. If the header was cut, forged result fields are removed from the rest of it. */
function bodyOf({ head, body }: Input): AsyncIterable<Uint8Array> {
  return head.cut ? withoutResultsInRest(head.header, body()) : body();
}

function load(options: Options) {
  const settings = loadSettings(configFile(options.config));
  return { settings, identities: loadIdentities(settings) };
}

async function received(options: Options, input: Input): Promise<Delivery> {
  const found = await envelope(options.caller, input.head.header, env, options);
  return { ...found, ...await contentOf(input, found.sender) };
}

if (import.meta.main) Deno.exit(await incoming(Deno.args[0] ?? "incoming", Deno.args.slice(1)));
