/**
 * The settings of a doorbell, `[[doorbell]]`: a service that acts only for people who have confirmed that they asked.
 */
import { parseAddress } from "../address.ts";
import { Fail, quote } from "../fail.ts";
import { domain, flag, notEmpty, number, oneOf, path, text } from "./values.ts";

/**
 * Maximum octets of the local part of a service. With `-confirm-ID-EXPIRY-MAC` it must fit into the 64 octets of RFC
 * 5321 section 4.5.3.1.1.
 */
const MAX_SERVICE_OCTETS = 20;

/** The table `[[doorbell]]`. */
export const DOORBELL = {
  name: text(
    undefined,
    "The name of the service, as given to the hook with `--service`. Repeat `[[doorbell]]` for each service.",
    serviceName,
  ),
  address: text(
    undefined,
    "The address of the service. Challenges come from it, and replies to them go to its extension `-confirm-…`: mail " +
      "to both must be delivered to the hook.",
    serviceAddress,
  ),
  keys: path(
    "doorbell-keys",
    "The key file for cookies, mode 0600. Services may share one, but not with an identity.",
    notEmpty,
  ),
  delimiter: oneOf(["-", "+"], "-", "The character that separates an extension from the local part: `svc-confirm-…`."),
  folder: path(
    "",
    "The folder for held messages and addresses. Default: `doorbell/NAME` in `state.folder`. It must be set where " +
      "`state.redis` is set, because Redis keeps no messages: a folder shared by all hosts that deliver mail to the " +
      "service, or a local one if there is only one such host.",
  ),
  terms: path(
    "",
    "A folder with the terms of the service, which a challenge states: text files named after languages, such as `en` and " +
      "`pt-BR`.",
  ),
  language: text(
    "en",
    "The language of the terms for people whose message names no available language (Accept-Language, " +
      "Content-Language).",
    language,
  ),
  confirm: oneOf(
    ["reply", "subject"],
    "reply",
    "How people confirm: by a `reply` to the challenge, or by typing the two words that it states into the `subject`.",
  ),
  subject_tag: text(
    "confirm",
    'The word in front of the cookie, with `confirm = "subject"`.',
    tag,
  ),
  lifetime: number(
    1,
    60,
    7,
    "Number of days for which a message is held and can be confirmed. After that it is deleted.",
  ),
  remember: number(
    0,
    3650,
    0,
    "Number of days for which a confirmed address is not challenged again. **This keeps spam out but proves nothing**, " +
      "because anybody can write the address into From.",
  ),
  remember_ok: flag(
    false,
    "Run the program for remembered addresses without a challenge. Otherwise each message must be confirmed.",
  ),
  i_know: flag(
    false,
    "Allow the service to have the address of an identity. **Challenging everybody who writes to a person doubles the " +
      "mail, and most challenges go to victims of forgery.**",
  ),
  trust_results: text(
    "",
    "The host whose Authentication-Results are trusted, by the name that it writes into them; it must add the field to " +
      "all mail. A challenge is then sent only if they show a pass of DMARC or SPF.",
    domain,
  ),
  hourly: number(1, 10_000, 60, "Maximum number of challenges in an hour. Further requests are challenged later."),
  max_held: number(
    1,
    10_000,
    1000,
    "Maximum number of held messages. Beyond it, the oldest message of the domain with the most messages is deleted.",
  ),
  max_bytes: number(
    10_000,
    100_000_000_000,
    100_000_000,
    "Maximum size of all held messages in bytes. A message of more than a tenth of it is not held.",
  ),
  timeout: number(
    1,
    86_400,
    900,
    "Timeout of the program in seconds. A message whose program is killed is kept, and the program is not run again.",
  ),
};

/** A service. */
export type Service = {
  readonly [N in keyof typeof DOORBELL]: (typeof DOORBELL)[N] extends { read: (...args: never[]) => infer V } ? V
    : never;
};

/** Creates an error about a setting: name, index of the service, message, fix. */
type Wrong = (name: string, nth: number, what: string, fix?: string) => Fail;

/** Checks the services together. @throws {Fail} `config` */
export function checkDoorbells(
  { doorbell, identity, state }: {
    readonly doorbell: readonly Service[];
    readonly state: { readonly redis: string };
    readonly identity: readonly { readonly address: string; readonly keys: string }[];
  },
  wrong: Wrong,
): void {
  const seen = new Set<string>();
  for (const [nth, { name, address, keys, folder }] of doorbell.entries()) {
    if (seen.has(name)) throw wrong("name", nth, `Service ${quote(name)} is configured twice`);
    const lower = address.toLowerCase();
    if (seen.has(lower)) throw wrong("address", nth, `Address ${quote(address)} has two services`);
    seen.add(name).add(lower);
    if (folder === "" && state.redis !== "") {
      // On another host, a confirmation would find no message.
      const fix = "set doorbell.folder to a folder that all hosts share";
      throw wrong("folder", nth, "Held messages are files, and cannot be kept in Redis", fix);
    }
    if (folder !== "" && seen.has(folder)) throw wrong("folder", nth, `Folder ${quote(folder)} has two services`);
    if (folder !== "") seen.add(folder);
    const owner = identity.find((one) => one.keys === keys);
    if (owner !== undefined) {
      const what = `doorbell.keys is the key file of ${owner.address}`;
      throw wrong("keys", nth, what, "set doorbell.keys to another file");
    }
  }
}

/** Checks a name, which is also the name of a folder. */
function serviceName(value: string): void {
  if (!/^[a-z0-9][a-z0-9_-]{0,31}$/.test(value)) {
    throw new Fail("config", `${quote(value)} is not a name of at most 32 letters a-z, digits, _ and -`);
  }
}

function serviceAddress(value: string): void {
  const { local } = parseAddress(value);
  if (!/^[\w.!#$%&'*/=?^`{|}~+-]+$/.test(local) || local.length > MAX_SERVICE_OCTETS) {
    throw new Fail("config", `The local part of ${quote(value)} has more than ${MAX_SERVICE_OCTETS} octets, or quotes`);
  }
}

function language(value: string): void {
  if (!/^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/.test(value)) {
    throw new Fail("config", `${quote(value)} is not a language`);
  }
}

function tag(value: string): void {
  if (!/^[A-Za-z][A-Za-z0-9-]{0,19}$/.test(value)) {
    throw new Fail("config", `${quote(value)} is not a word of at most 20 letters and digits`);
  }
}

/** Returns the folder with the state of a service. */
export function folderOf({ name, folder }: Service, state: string): string {
  return folder === "" ? `${state}/doorbell/${name}` : folder;
}
