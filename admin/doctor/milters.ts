/**
 * Checks how Postfix uses the sockets of `countersign serve`: by which services, in which order, and with which
 * default_action.
 */
import type { Finding, TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { entries, type Entry, type Parameters, parametersOf, type Service } from "./postconf.ts";
import { policyServices } from "./postfix_maps.ts";

/** The settings that the checks need. */
export interface MilterContext {
  /** `serve.socket_folder`. */
  readonly folder: string;
  /** Whether identities have logins, so that mail of clients is to be signed. */
  readonly logins: boolean;
}

/** A milter in a list of Postfix. */
interface Milter {
  readonly role: "door" | "sign" | "other";
  readonly text: string;
  /** The value of `default_action`; undefined if the list does not set it. */
  readonly action: string | undefined;
}

/** A list of milters, and the service or parameter that has it. */
interface MilterList {
  readonly name: string;
  readonly at: Entry;
  readonly milters: readonly Milter[];
}

/** The ports of submission (RFC 6409, RFC 8314), by number and by name. */
const SUBMISSION = /^(?:.*:)?(?:submission|submissions|smtps|465|587)$/;
/** The port of other servers. */
const SMTP = /^(?:.*:)?(?:smtp|25)$/;
const MISMATCH = /\breject_(?:authenticated_|known_)?sender_login_mismatch\b/;

/** Checks main.cf and master.cf, or the output of postconf. Nothing is reported if Postfix uses none of the sockets. */
export function checkMilters(files: readonly TextFile[], context: MilterContext): Finding[] {
  const { parameters, services } = entries(files);
  const value = parametersOf(parameters);
  const lists = services.filter(isSmtpd).map((service) => smtpdList(service, value, context.folder));
  const local = value.entry("non_smtpd_milters");
  if (local !== undefined) {
    const milters = parseMilters(value.text("non_smtpd_milters"), value, context.folder);
    lists.push({ name: "non_smtpd_milters", at: local, milters });
  }
  const different = lists.filter(({ at }, nth) => lists.findIndex((one) => one.at === at) === nth);
  const uses = (role: Milter["role"]) => lists.some(({ milters }) => milters.some((one) => one.role === role));
  if (!uses("door") && !uses("sign")) return [];
  return [
    ...different.flatMap((list) => [...checkOrder(list), ...checkActions(list)]),
    ...services.filter(isSmtpd).flatMap((service) => {
      return checkService(service, smtpdList(service, value, context.folder), value, context);
    }),
  ];
}

const typeOf = ({ text }: Service): string => text.split(/\s+/)[1]!;
/** With postscreen(8), which listens on port 25, smtpd has the type `pass`. */
const isSmtpd = (service: Service): boolean => service.program === "smtpd" && /^(?:inet|pass)$/.test(typeOf(service));

/** Returns the milters of a service: its own, or those of main.cf. */
function smtpdList(service: Service, value: Parameters, folder: string): MilterList {
  const own = optionOf(service, "smtpd_milters");
  const inherited = own === undefined ? value.entry("smtpd_milters") : undefined;
  const [name, at] = inherited === undefined ? [service.name, service] : ["smtpd_milters", inherited];
  return { name, at, milters: parseMilters(own ?? value.text("smtpd_milters"), value, folder) };
}

/** Returns the value of `-o name=value` or `-o { name = value }`; the last one counts. */
function optionOf({ text }: Service, name: string): string | undefined {
  const pattern = new RegExp(`\\s-o\\s*(?:\\{\\s*${name}\\s*=\\s*((?:[^{}]|\\{[^{}]*\\})*)\\}|${name}=(\\S*))`, "g");
  const found = [...text.matchAll(pattern)].at(-1);
  return found && (found[1] ?? found[2])!.trim();
}

/** Parses a list: `unix:PATH`, `inet:HOST:PORT`, or one of them in braces with attributes. */
function parseMilters(list: string, value: Parameters, folder: string): Milter[] {
  return (list.match(/\{[^{}]*\}|[^\s,{}]+/g) ?? []).map((text) => {
    const [address = ""] = text.replace(/[{}]/g, " ").trim().split(/[\s,]+/);
    const action = /\bdefault_action\s*=\s*(\w+)/.exec(text)?.[1] ?? (value.text("milter_default_action") || undefined);
    return { role: roleOf(address, value, folder), text: address, action };
  });
}

/**
 * Returns the role of a socket. Its path is relative to the queue directory, which is the root of a chrooted service.
 */
function roleOf(address: string, value: Parameters, folder: string): Milter["role"] {
  const [, path] = /^(?:unix|local):(.+)$/.exec(address) ?? [];
  if (path === undefined) return "other";
  const queue = value.text("queue_directory") || "/var/spool/postfix";
  const paths = [path, `${queue}/${path}`, `${queue}${path}`];
  return (["door", "sign"] as const).find((role) => paths.includes(`${folder}/${role}`)) ?? "other";
}

/** Other milters such as opendkim must follow `sign`, or a DKIM signature does not cover the tag. */
function checkOrder({ name, at, milters }: MilterList): Finding[] {
  const sign = milters.findIndex(({ role }) => role === "sign");
  const early = milters.slice(0, Math.max(sign, 0)).find(({ role }) => role === "other");
  if (early === undefined) return [];
  return [placed({
    id: "milter-order",
    what: `${early.text} comes before ${milters[sign]!.text} in the milters of ${name}`,
    where: at,
    why: "A DKIM signature that is added first does not cover X-Msgauth, and breaks if a signed field changes.",
    fix: `List ${milters[sign]!.text} first`,
  })];
}

/** If `countersign serve` is down, incoming mail must be accepted for the hook, and outgoing mail deferred. */
function checkActions({ name, at, milters }: MilterList): Finding[] {
  return milters.flatMap(({ role, text, action = "tempfail" }) => {
    const wanted = { door: ["accept"], sign: ["tempfail", "quarantine"], other: [action] }[role];
    if (wanted.includes(action)) return [];
    const why = role === "door"
      ? "While countersign serve is down, Postfix defers or rejects all incoming mail."
      : "While countersign serve is down, mail is sent unsigned and is not remembered, so that its bounces look forged.";
    return [placed({
      id: role === "door" ? "milter-door-action" : "milter-sign-action",
      what: `default_action of ${text} is ${action} in the milters of ${name}`,
      where: at,
      why,
      fix: `{ ${text}, default_action=${wanted[0]} }`,
    })];
  });
}

/** The lists of restrictions of smtpd(8). */
const RESTRICTIONS = ["sender", "recipient", "relay", "client", "helo", "data"].map((one) =>
  `smtpd_${one}_restrictions`
);

/** Returns the restrictions of a service, its own or those of main.cf. */
const restrictionsOf = (service: Service, value: Parameters): string =>
  RESTRICTIONS.map((name) => optionOf(service, name) ?? value.text(name)).join(" ");

function checkService(service: Service, list: MilterList, value: Parameters, context: MilterContext): Finding[] {
  const { logins } = context;
  const { milters, at } = list;
  const has = (role: Milter["role"]) => milters.some((one) => one.role === role);
  const found: Finding[] = [];
  const add = (id: FindingId, what: string, where: Entry, why: string, fix: string) =>
    void found.push(placed({ id, what, where, why, fix }));
  if (SMTP.test(service.name) || typeOf(service) === "pass") {
    if (has("sign")) {
      add(
        "milter-sign-on-25",
        `The socket sign is used on port 25 (${service.name})`,
        at,
        "Mail from strangers passes through the socket that signs, and the door does not check it.",
        "Use the socket door there, and sign for submission only",
      );
    } else if (!has("door") && policyServices(restrictionsOf(service, value), value, context).length === 0) {
      add(
        "milter-door-missing",
        `Service ${service.name} does not use the socket door`,
        at,
        "Forged bounces are accepted, and the hook files them.",
        "smtpd_milters = { unix:countersign/door, default_action=accept }",
      );
    }
  }
  if (!SUBMISSION.test(service.name)) return found;
  if (!has("sign")) {
    if (!logins) return found;
    add(
      "milter-sign-missing",
      `Service ${service.name} does not use the socket sign`,
      at,
      "Mail from clients leaves unsigned, so its bounces look forged.",
      "-o { smtpd_milters = { unix:countersign/sign, default_action=tempfail } }",
    );
    return found;
  }
  const expanded = restrictionsOf(service, value).replace(/\$\{?(\w+)\}?/g, (_, name) => value.text(name));
  if (MISMATCH.test(expanded)) return found;
  add(
    "milter-sender-login",
    `Service ${service.name} does not reject senders that belong to another login`,
    service,
    "Each login may send with any envelope sender; such mail is not signed, and looks as if it came from that sender.",
    "-o smtpd_sender_restrictions=reject_sender_login_mismatch, with smtpd_sender_login_maps",
  );
  return found;
}

/** Reduces the entry to its file and line. */
const placed = ({ where: { file, line }, ...rest }: Finding): Finding => ({
  ...rest,
  where: line === undefined ? { file } : { file, line },
});
