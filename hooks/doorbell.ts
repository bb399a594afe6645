/**
 * The doorbell: acts on a message only when its sender has confirmed that they sent it. The first of `Deno.args` is the
 * name by which it was called.
 */
import { base32, concat, utf8 } from "../lib/bytes.ts";
import { errorText, Fail, quote, reason } from "../lib/fail.ts";
import { field, printHead, without } from "../lib/message.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { type Identity, identityOf } from "../lib/settings/identity.ts";
import { noSigningKey, signingKey } from "../lib/settings/keys.ts";
import type { Service } from "../lib/settings/doorbell.ts";
import { addressIn, envelope, type Received } from "../incoming/delivery.ts";
import { ID_LENGTH } from "../incoming/doorbell/cookie.ts";
import type { Decision } from "../incoming/doorbell/decide.ts";
import { DoorbellFiles } from "../io/state/doorbell/files.ts";
import { checkArguments, env } from "../io/system/environment.ts";
import { drain, type Input, PREFIX_BYTES, readInput, writeOut } from "../io/system/input.ts";
import { configFile, loadIdentities, loadSettings, readDoorbellKeys } from "../io/system/load.ts";
import { log, printError } from "../io/system/log.ts";
import { failureReason } from "../io/transport/rejected.ts";
import { logAddress } from "../lib/log.ts";
import { callerIn } from "./options.ts";
import { type DoorbellOptions, parseDoorbellOptions } from "./doorbell_options.ts";
import { actOn, decideOn, type DoorbellResult } from "./doorbell_act.ts";
import { exitStatus, stateStatus } from "./exits.ts";
import { withoutResults, withoutResultsInRest, withResult } from "./result_field.ts";

/** The fields in which a filter passes what confirms, and the address to ask, with `--challenge=no`. */
export const [COOKIE_FIELD, ASK_FIELD] = ["X-Countersign-Cookie", "X-Countersign-Ask"];

/** Runs the hook. @returns the exit status */
export async function doorbell(name: string, args: readonly string[]): Promise<number> {
  let caller = callerIn(args);
  try {
    const options = parseDoorbellOptions(args);
    caller = options.caller;
    if (options.text !== undefined) {
      console.log(options.text);
      return 0;
    }
    checkArguments([options.config ?? "", options.maildir ?? "", options.address ?? "", ...options.program]);
    if (caller === "filter") return await filter(name, options);
    const input = await readInput(PREFIX_BYTES, false);
    const { result, acts } = await handle(options, input);
    // qmail passes a file; for other callers a pipe that is closed early is an error.
    if (caller !== "qmail" && !result.consumed) await drain(input.body());
    if (result.outcome === "defer") printError(name, `${result.reason}${result.said ? `: ${result.said}` : ""}`);
    if (acts || result.outcome === "defer") return exitStatus(caller, result.outcome, true);
    const { state, byCaller: asked } = result;
    if (caller !== "qmail" || asked !== undefined) {
      const word = result.other === true ? `${state} other` : state;
      console.log(asked === undefined ? word : `${word} ${asked.cookie}\n${asked.address}`);
    }
    return stateStatus(caller, state);
  } catch (error) {
    printError(name, errorText(error));
    return exitStatus(caller, "defer", false);
  }
}

/** Decides about a message and acts; every result is logged. */
async function handle(options: DoorbellOptions, input: Input): Promise<{ result: DoorbellResult; acts: boolean }> {
  const settings = loadSettings(configFile(options.config));
  const identities = loadIdentities(settings);
  const service = serviceOf(settings, options.service);
  const received = await envelope(options.caller, input.head.header, env, options);
  const acts = options.program.length > 0 || options.maildir !== undefined;
  const record = (decision: Pick<Decision, "state" | "address"> | undefined, outcome: string, why: string) =>
    log(settings, {
      doorbell: service.name,
      sender: decision?.address && logAddress(decision.address, settings.log_addresses),
      result: decision?.state,
      outcome,
      why,
    });
  try {
    if (received.sender === undefined && options.caller === "qmail") {
      throw new Fail("temporary", "SENDER is not set", { fix: "run the doorbell from qmail-local, or add --as" });
    }
    checkPersonal(service, received, identities);
    const [keys, now] = [readDoorbellKeys(service), new Date()];
    if (signingKey(keys, now) === undefined) {
      const fix = `countersign keys new --doorbell ${service.name}`;
      throw new Fail("config", `No key can sign: ${noSigningKey(keys, now)}`, { file: service.keys, fix });
    }
    const state = new DoorbellFiles(settings.state.folder, service, keys, now);
    const decision = decideOn({ envelope: received, header: input.head.header }, state, {
      identities,
      acts: options.program.length > 0,
      ...(options.address !== undefined && { given: addressIn(options.address) ?? null }),
    });
    const id = await idOf(received, input);
    const result = await actOn(decision, {
      options,
      input,
      id,
      sender: received.sender,
      state,
      settings,
      acts,
      record,
    });
    record(decision, result.outcome, result.reason);
    await state.expireDaily(({ held, addresses }) => {
      if (held + addresses > 0) {
        record(undefined, "expired", `${held} held messages and ${addresses} addresses removed`);
      }
    });
    return { result, acts };
  } catch (error) {
    record(undefined, "defer", failureReason(error, settings.log_addresses));
    throw error;
  }
}

/** Copies the message and adds the state of its sender. On any error the message is copied without it. */
async function filter(name: string, options: DoorbellOptions): Promise<number> {
  const input = await readInput(PREFIX_BYTES, false);
  const { header, headStart, cut } = input.head;
  const mbox = input.prefix.subarray(0, headStart); // keep procmail's `From ` line
  const clean = without(withoutResults(header), COOKIE_FIELD, ASK_FIELD);
  let head = concat(mbox, printHead(clean, cut));
  try {
    const { result } = await handle(options, input);
    const reason = result.other === true ? `${result.reason}, not by its only author` : result.reason;
    const marked = withResult(clean, { result: result.state, check: "doorbell", reason });
    const asked = result.byCaller;
    const added = asked === undefined ? [] : [field(COOKIE_FIELD, asked.cookie), field(ASK_FIELD, asked.address)];
    head = concat(mbox, printHead([...added, ...marked], cut));
  } catch (error) {
    printError(name, `${reason(error)}; the message goes through unmarked`);
  }
  await writeOut(head);
  const body = input.body();
  for await (const chunk of cut ? withoutResultsInRest(header, body) : body) await writeOut(chunk);
  return 0;
}

/** Returns the service with this name, or the only one. @throws {Fail} `config` */
export function serviceOf({ doorbell }: Settings, name: string): Service {
  const found = name === "" && doorbell.length === 1 ? doorbell[0] : doorbell.find((one) => one.name === name);
  if (found !== undefined) return found;
  const fix = doorbell.length === 0 ? "add [[doorbell]]" : `use one of ${doorbell.map((one) => one.name).join(", ")}`;
  throw new Fail("config", name === "" ? "Option --service is missing" : `Service ${quote(name)} is not configured`, {
    fix,
  });
}

/** Rejects a service that has a person's own address. @throws {Fail} `config` */
function checkPersonal(service: Service, { recipients }: Received, identities: readonly Identity[]): void {
  const own = service.i_know
    ? undefined
    : [service.address, ...recipients].map((one) => identityOf(identities, one)).find((one) => one);
  if (own === undefined) return;
  const what =
    "The service has the address of an identity, where it would challenge everybody who writes to that person";
  throw new Fail("config", what, { fix: "give the service an address of its own, or set doorbell.i_know = true" });
}

/** Returns the ID of a message. A message that is delivered again has the same one, so that it is held only once. */
async function idOf({ sender }: Received, { prefix }: Input): Promise<string> {
  const bytes = concat(utf8(`${sender ?? ""}\n`), prefix);
  return base32(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))).slice(0, ID_LENGTH);
}

if (import.meta.main) Deno.exit(await doorbell(Deno.args[0] ?? "doorbell", Deno.args.slice(1)));
