/**
 * Checks how Postfix uses the sockets `policy` and `map`: with which defaults, for which addresses, and together with
 * what.
 */
import { MAPS } from "../../serve/map/maps.ts";
import { glob } from "../../lib/glob.ts";
import type { Finding, TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { entries, type Entry, type Parameters, parametersOf } from "./postconf.ts";

/** The settings that the checks need. */
export interface MapsContext {
  /** `serve.socket_folder`. */
  readonly folder: string;
  /** In lower case; empty strings are not among them. */
  readonly srsDomains: readonly string[];
  /** `forwarding.domain` in lower case; empty if mail is not forwarded. */
  readonly forwarding: string;
  /** `forwarding.exclude`. */
  readonly exclude: readonly string[];
}

/** A text of the configuration that may use a socket: a parameter, or a service with options. */
interface Place extends Entry {
  readonly name: string;
  readonly value: string;
}

/** Parameters that list the domains for which Postfix accepts mail. */
const ACCEPTED = ["virtual_alias_domains", "mydestination", "relay_domains", "virtual_mailbox_domains"];

/**
 * Checks main.cf and master.cf, or the output of postconf. Nothing is reported if Postfix uses neither of the sockets.
 */
export function checkPostfixMaps(files: readonly TextFile[], context: MapsContext): Finding[] {
  const { parameters, services } = entries(files);
  const value = parametersOf(parameters);
  const places: Place[] = [
    ...parameters.filter((one) => value.entry(one.name) === one).map((one) => ({
      ...one,
      value: value.text(one.name),
    })),
    ...services.map((one) => ({ ...one, value: one.text })),
  ];
  const found: Finding[] = [];
  const add = (id: FindingId, what: string, { file, line }: Entry, why: string, fix: string) =>
    void found.push({ id, what, where: { file, line }, why, fix });
  for (const place of places) checkPolicyAction(place, value, context, add);
  const uses = places.flatMap((place) => mapsIn(place.value, value, context).map((map) => ({ map, place })));
  for (const { map, place } of uses) {
    if (!Object.hasOwn(MAPS, map)) {
      const fix = `Use one of ${Object.keys(MAPS).join(", ")}`;
      add("map-unknown", `${place.name} uses the unknown map ${map}`, place, "Postfix defers all mail.", fix);
    }
    if (/\b(?:tcp:\S*:1000[12]|socketmap:(?!unix:[^,\s}]*countersign)\S*:(?:forward|reverse)\b)/.test(place.value)) {
      const why =
        "Which of the two signs depends on their order, and both need the same secret to reverse the addresses.";
      add(
        "map-postsrsd",
        `${place.name} uses postsrsd as well as Countersign`,
        place,
        why,
        "Remove the map of postsrsd, unless you are migrating from it",
      );
    }
  }
  const place = (map: string) => uses.find((one) => one.map === map)?.place;
  checkReverse(place("srs-reverse"), value, context, add);
  checkForwarding(place("srs-forward"), place("srs-back"), value, context, add);
  return found;
}

type Add = (id: FindingId, what: string, at: Entry, why: string, fix: string) => void;

/** A policy service in a list of restrictions. */
interface PolicyService {
  readonly address: string;
  /** The value of `default_action`; undefined if the list does not set it. */
  readonly action: string | undefined;
}

/** Returns the policy services in a text that are the socket `policy` of the engine. */
export function policyServices(text: string, value: Parameters, context: Pick<MapsContext, "folder">): PolicyService[] {
  const pattern = /\bcheck_policy_service\s+(?:\{\s*([^\s,{}]+)([^{}]*)\}|([^\s,{}]+))/g;
  return [...text.matchAll(pattern)].map(([, braced, attributes = "", bare]) => {
    return { address: braced ?? bare!, action: /\bdefault_action\s*=\s*(\w+)/.exec(attributes)?.[1] };
  }).filter(({ address }) => isSocket(address, "policy", value, context));
}

/** Without DUNNO, Postfix defers all mail while the engine is down. */
function checkPolicyAction(place: Place, value: Parameters, context: MapsContext, add: Add): void {
  for (const { address, action: own } of policyServices(place.value, value, context)) {
    const action = own ?? (value.text("smtpd_policy_service_default_action") || "451");
    if (action.toUpperCase() === "DUNNO") continue;
    add(
      "policy-action",
      `default_action of the policy service is ${action} in ${place.name}`,
      place,
      "While countersign serve is down, Postfix defers or rejects all mail.",
      `check_policy_service { ${address}, default_action=DUNNO, timeout=3s }`,
    );
  }
}

/** Returns whether this is a socket of the engine; its path is relative to the queue directory. */
function isSocket(address: string, name: string, value: Parameters, { folder }: Pick<MapsContext, "folder">): boolean {
  const [, path] = /^unix:(.+)$/.exec(address) ?? [];
  const queue = value.text("queue_directory") || "/var/spool/postfix";
  return path !== undefined && [path, `${queue}/${path}`, `${queue}${path}`].includes(`${folder}/${name}`);
}

/** Returns the names of the maps of the engine in a text. */
function mapsIn(text: string, value: Parameters, context: MapsContext): string[] {
  return [...text.matchAll(/\bsocketmap:(unix:[^:,\s{}]+):([^,\s{}]+)/g)]
    .filter(([, socket]) => isSocket(socket!, "map", value, context)).map(([, , map]) => map!);
}

/** Returns the words of the parameters that list domains, without tables and types of tables. */
function domainsIn(names: readonly string[], value: Parameters): string[] {
  return names.flatMap((name) => value.text(name).toLowerCase().split(/[\s,]+/)).filter((word) =>
    /^[\w.-]+$/.test(word)
  );
}

/** Whether a list may name the domain in a table, which is not read. */
const hasTable = (value: Parameters): boolean => ACCEPTED.some((name) => /[:/$]/.test(value.text(name)));

function checkReverse(place: Place | undefined, value: Parameters, context: MapsContext, add: Add): void {
  if (place === undefined) return;
  for (const domain of context.srsDomains) {
    if (domainsIn(["virtual_alias_domains"], value).includes(domain) || hasTable(value)) continue;
    add(
      "map-reverse-domain",
      `${domain} is not in virtual_alias_domains`,
      value.entry("virtual_alias_domains") ?? place,
      "Postfix rejects bounces to it, or accepts unsigned addresses in it.",
      `virtual_alias_domains = ${domain}`,
    );
  }
}

function checkForwarding(
  forward: Place | undefined,
  back: Place | undefined,
  value: Parameters,
  { forwarding, exclude }: MapsContext,
  add: Add,
): void {
  const used = forward ?? back;
  if (used === undefined) return;
  if (forwarding === "") {
    add(
      "map-forwarding",
      "Postfix uses the maps for forwarding, but forwarding.domain is not set",
      used,
      "No sender is rewritten.",
      "Set forwarding.domain",
    );
    return;
  }
  if (forward === undefined || back === undefined) {
    const [has, lacks, why] = forward === undefined
      ? ["srs-back", "srs-forward", "Mail is forwarded with its own sender, and SPF fails."]
      : ["srs-forward", "srs-back", "Bounces of forwarded mail are rejected."];
    add("map-half", `Postfix uses the map ${has}, but not ${lacks}`, used, why, "See docs/forwarding.md");
  }
  checkClasses(forward, "sender_canonical_classes", "envelope_sender", value, add);
  checkClasses(back, "recipient_canonical_classes", "envelope_recipient", value, add);
  if (!domainsIn(ACCEPTED, value).includes(forwarding) && !hasTable(value)) {
    const why = "Postfix rejects bounces of forwarded mail: Relay access denied.";
    add(
      "map-forwarding-domain",
      `Postfix does not accept mail for ${forwarding}`,
      used,
      why,
      `virtual_alias_domains = ${forwarding}`,
    );
  }
  // Where only local(8) uses the map, mail of users of this host is not rewritten.
  if (forward?.name !== "sender_canonical_maps") return;
  const own = domainsIn(ACCEPTED.filter((name) => name !== "relay_domains"), value);
  const missing = own.find((domain) =>
    domain.includes(".") && domain !== forwarding && !exclude.some((pattern) => glob(pattern.toLowerCase(), domain))
  );
  if (missing === undefined) return;
  const why = `The senders of users in ${missing} are rewritten, too, unless they are identities.`;
  add(
    "map-exclude",
    `${missing} is a domain of this host, but not in forwarding.exclude`,
    forward,
    why,
    `exclude = [${JSON.stringify(missing)}]`,
  );
}

/** By default the maps apply to the header, too. */
function checkClasses(place: Place | undefined, name: string, wanted: string, value: Parameters, add: Add): void {
  if (place === undefined) return;
  const own = new RegExp(`\\b${name}\\s*=\\s*([\\w,]+)`).exec(place.value)?.[1];
  const classes = own ?? value.text(name);
  if (classes !== "" && (name.startsWith("recipient") || !classes.includes("header_sender"))) return;
  const why = name.startsWith("sender")
    ? "The From field is rewritten as well, which breaks DKIM signatures, and replies go to the wrong address."
    : "The To field is rewritten as well.";
  add("map-classes", `${name} is not ${wanted}`, value.entry(name) ?? place, why, `${name} = ${wanted}`);
}
