/** Checks `countersign serve`: its sockets, its responses, its keys, and `refuse_unsigned`. */
import type { SERVE_SOCKETS } from "../../lib/paths.ts";
import { parseAddress } from "../../lib/address.ts";
import { quote } from "../../lib/fail.ts";
import { dayOf, parseDay, printDay } from "../../lib/date.ts";
import { asksLookup, lookupSocket } from "../../lib/settings/lookup.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { srsForward } from "../../lib/srs.ts";
import { inGrace } from "../../incoming/checks/forged.ts";
import { SENT_DAYS } from "../../io/state/sent.ts";
import type { DoctorContext } from "./context.ts";
import type { Finding } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { accounts, whyDenied, whyUnreadable } from "./access.ts";
import { checkForwardHooks } from "./forward_hooks.ts";
import { openLog } from "./logfile.ts";
import { type Answers, NotPermitted, openSession, StateUnusable } from "./milter_session.ts";
import { withNetwork } from "./programs.ts";
import { forgottenNote, stateOfOther } from "./serve_state.ts";
import { identityLine } from "./settings.ts";

/**
 * The fix for a socket without a server. systemd closes its sockets when the service has failed to start several times.
 */
export const START = "systemctl restart 'countersign-*.socket' countersign, or countersign serve";

/** Runs all checks of `countersign serve`. Sockets are checked only if the settings use them. */
export async function checkServe(context: DoctorContext, settings: Settings): Promise<void> {
  const served = settings.serve.socket_folder !== "";
  const forgotten = served || asksLookup(settings) ? await checkSockets(context, settings) : undefined;
  const note = forgottenNote(settings, context.now, forgotten);
  if (note !== undefined) context.notes.push(note);
  if (served) checkServeUser(context, settings);
  if (asksLookup(settings)) {
    context.findings.push(...checkForwardHooks(lookupSocket(settings), context.file.file));
  }
  checkRefuseUnsigned(context, settings);
}

/** The effect of a missing socket `lookup`. */
const LOOKUP_EFFECT = "Shims do not remember what they send, and hooks defer the mail that they cannot decide about.";

/** The sockets that are checked here; maps.ts checks the others. */
type CheckedSocket = Exclude<typeof SERVE_SOCKETS[number], "policy" | "map">;
const CHECKED: readonly CheckedSocket[] = ["door", "sign", "lookup"];

const pathOf = (name: CheckedSocket, settings: Settings): string =>
  name === "lookup" ? lookupSocket(settings) : `${settings.serve.socket_folder}/${name}`;

/** Returns whether sockets for a mail server without milters exist. systemd opens only those that a site enables. */
const hasOthers = ({ serve: { socket_folder: folder } }: Settings): boolean =>
  ["policy", "map", "lookup"].some((name) => socketInfo(`${folder}/${name}`)?.isSocket);

/**
 * Opens a session on each socket. The session with the door also tests an address with an invalid hash.
 *
 * @returns when the shared state was last not told of a message, in milliseconds since 1970
 */
async function checkSockets(
  { findings, notes, now }: DoctorContext,
  settings: Settings,
): Promise<number | undefined> {
  let last: number | undefined;
  // The settings of users with a shim or hook may name only the socket lookup.
  const names = settings.serve.socket_folder === "" ? ["lookup"] as const : CHECKED;
  for (const name of names) {
    const path = pathOf(name, settings);
    const add = (id: FindingId, what: string, why: string, fix: string) =>
      void findings.push({ id, what, where: { file: path }, why, fix });
    const info = socketInfo(path);
    if (info === undefined) {
      if (name === "lookup" ? !asksLookup(settings) : hasOthers(settings)) continue; // only some sites use it
      const why = name === "lookup"
        ? LOOKUP_EFFECT
        : name === "door"
        ? "Postfix passes all mail on, or defers it, depending on default_action."
        : "Postfix defers the mail that is submitted, or sends it unsigned, depending on default_action.";
      add("serve-socket-missing", `The socket ${name} does not exist`, why, START);
      continue;
    }
    if (!info.isSocket) {
      add(
        "serve-socket-wrong",
        `${path} is not a socket`,
        "countersign serve cannot listen there.",
        `mv ${path} ${path}.old`,
      );
      continue;
    }
    if (((info.mode ?? 0) & 0o002) !== 0) {
      const why = name === "door"
        ? "Anyone on this machine can probe which addresses are accepted."
        : "Anyone on this machine can have mail signed as any identity, or read the state.";
      add("serve-socket-open", `The socket ${name} is world-writable`, why, `chmod 660 ${path}`);
    }
    if (name === "sign" && settings.state.lookup !== "" && reaches(path, lookupSocket(settings))) {
      add(
        "serve-sign-group",
        "Whoever may open the socket lookup may open sign as well",
        "Users, and the programs that receive mail, can have any mail signed as any identity.",
        "Set serve.socket_folder to another folder than that of state.lookup, without access for its group, and restart",
      );
    }
    try {
      const { silent, shared, forgotten } = await openSession(path, name);
      last = forgotten ?? last;
      if (shared === false && asksLookup(settings)) {
        const what = "countersign serve does not share its state";
        const fix = "Set state.lookup in the settings of countersign serve, run countersign sandbox, and restart it";
        add("serve-not-shared", what, LOOKUP_EFFECT, fix);
      }
      if (silent !== undefined) {
        add(
          "serve-host-silent",
          `Host ${quote(silent)} has not reported to Redis that it remembers sent mail`,
          "Until it does, no door rejects a bounce by its content.",
          "Start countersign serve on that host, or see contrib/redis if it was retired",
        );
      }
      if (name === "door") checkAnswer(await askAboutForged(path, settings, now), settings, add);
    } catch (error) {
      if (error instanceof NotPermitted) {
        const command = withNetwork("doctor", []);
        notes.push(
          `The sockets of countersign serve were not tested, because this program is not permitted to connect: ${command}`,
        );
        return undefined;
      }
      if (error instanceof StateUnusable) {
        const fix = error.message.startsWith("Redis ")
          ? "Start Redis, or correct state.redis, redis_password_file and redis_ca in the settings of countersign serve"
          : "Correct state.folder in the settings of countersign serve, or the folder";
        add("serve-state-unusable", `countersign serve cannot use its state: ${error.message}`, LOOKUP_EFFECT, fix);
        continue;
      }
      const why = name === "lookup" ? LOOKUP_EFFECT : "Postfix waits for it, then does what default_action says.";
      add("serve-socket-silent", `The socket ${name} does not answer: ${(error as Error).message}`, why, START);
    }
  }
  return last;
}

/** Returns whether the group of the socket `lookup` may open `sign`, too; false for the own group of the service. */
function reaches(sign: string, lookup: string): boolean {
  const { uid, gid, mode } = socketInfo(lookup) ?? {};
  if (typeof gid !== "number" || ((mode ?? 0) & 0o020) === 0) return false;
  if (accounts().some((one) => one.uid === uid && one.gid === gid)) return false;
  return whyDenied(sign, NOBODY, new Set([gid]), 2, "the socket") === undefined;
}

/** The number of no user. */
const NOBODY = -1;

/** Tests an SRS address with a wrong hash; the only side effect is a line in the log of the door. */
async function askAboutForged(path: string, settings: Settings, now: Date): Promise<Answers | undefined> {
  const forged = forgedAddress(settings, now);
  return forged === undefined ? undefined : await openSession(path, "door", forged);
}

/** Returns an SRS address with a wrong hash; undefined if no identity can have one. */
export function forgedAddress(settings: Settings, now: Date): string | undefined {
  const identity = settings.identity.find(({ srs_domain, address }) => srs_domain !== "" && isSimple(address));
  if (identity === undefined) return undefined;
  const { hash_length: hashLength, alphabet, separator } = settings.srs;
  const secrets = [crypto.getRandomValues(new Uint8Array(32))];
  return srsForward(identity.address, identity.srs_domain, { secrets, hashLength, alphabet, separator, now });
}

const isSimple = (address: string): boolean => /^[\w.+-]+$/.test(parseAddress(address).local);

function checkAnswer(
  answers: Answers | undefined,
  settings: Settings,
  add: (id: FindingId, what: string, why: string, fix: string) => void,
): void {
  if (answers === undefined) return;
  const refused = answers.recipient?.startsWith("550") === true;
  if (settings.incoming.forged !== "refuse") {
    if (!refused) return;
    const what = `The door rejects a forged address, although incoming.forged is "${settings.incoming.forged}"`;
    return add("serve-other-settings", what, "It runs with other settings.", "systemctl reload countersign");
  }
  if (refused) return;
  add(
    "serve-door-passes",
    "The door accepts an SRS address with a wrong hash",
    "Forged bounces are only filed by the hook. The log says why (at=rcpt): a key cannot be read, or serve uses different settings.",
    "countersign log --direction in; systemctl reload countersign",
  );
}

/** Checks what the user of `countersign serve`, often not the one who runs doctor, can read and write. */
function checkServeUser({ file, findings }: DoctorContext, settings: Settings): void {
  const user = serveUser(settings);
  if (user === undefined || user === 0) return;
  const wrong = stateOfOther(settings, user);
  if (wrong !== undefined) findings.push(wrong);
  if (user === Deno.uid()) return; // the check of the keys has read them
  for (const [nth, { keys, address, group }] of settings.identity.entries()) {
    const why = whyUnreadable(keys, user);
    if (why === undefined) continue;
    findings.push({
      id: "serve-key-unreadable",
      what: `Key file ${keys} cannot be read by user ${user}, which runs countersign serve: ${why}`,
      where: { file: file.file, line: identityLine(file.text, nth) },
      why: `The door passes everything in the SRS domain of ${address}, and mail of its logins is deferred.`,
      fix: `chgrp to the user's group, chmod 640 ${keys}${group ? "" : ", and group = true below [[identity]]"}`,
    });
  }
}

/** Returns the user of `countersign serve`: the owner of its socket, or of the state if systemd opened the sockets. */
export function serveUser(settings: Settings): number | undefined {
  const socket = socketInfo(pathOf("door", settings));
  if (socket?.uid) return socket.uid;
  try {
    return Deno.statSync(settings.state.folder).uid ?? undefined;
  } catch {
    return undefined;
  }
}

/** Checks that `refuse_unsigned` does not reject bounces of mail that was sent with the plain sender. */
function checkRefuseUnsigned({ file, now, findings, notes }: DoctorContext, settings: Settings): void {
  const nth = settings.identity.findIndex(({ refuse_unsigned }) => refuse_unsigned);
  if (nth < 0) return;
  const where = { file: file.file, line: identityLine(file.text, nth) };
  const add = (id: FindingId, what: string, why: string, fix: string): void => {
    const finding: Finding = { id, what, where, why, fix };
    findings.push(finding);
  };
  if (inGrace({ settings, now })) {
    const end = printDay(parseDay(settings.since)! + settings.incoming.grace);
    add(
      "refuse-unsigned-grace",
      `refuse_unsigned has no effect until ${end}, when the grace period ends`,
      "Mail that was sent before signing began may still bounce to the plain address.",
      `Wait until ${end}`,
    );
  }
  const { sender, rule, plainLists, prvs } = settings;
  const identity = settings.identity.find((one) => one.refuse_unsigned && one.srs_domain === "" && !prvs.receive);
  if (identity !== undefined) {
    add(
      "refuse-unsigned-plain",
      `refuse_unsigned is set, but the envelope sender of ${identity.address} is never signed`,
      "It has no srs_domain, so every genuine bounce is rejected.",
      "Remove refuse_unsigned, or set srs_domain",
    );
  } else if (sender === "plain" || rule.some((one) => one.sender === "plain") || plainLists?.some) {
    add(
      "refuse-unsigned-plain",
      "refuse_unsigned is set, but some mail is sent with the plain sender",
      "Genuine bounces of that mail are rejected, and you do not learn that it was not delivered.",
      "Remove refuse_unsigned, or the plain rules and lists",
    );
  }
  const count = countUnsigned(settings, now);
  if (count !== undefined) notes.push(count);
}

/** Counts the log lines of mail that refuse_unsigned rejects, as judged by a hook or the door. */
function countUnsigned(settings: Settings, now: Date): string | undefined {
  const log = openLog(`${settings.state.folder}/log`);
  if (log === undefined) return undefined;
  const first = (dayOf(now) - SENT_DAYS) * 86_400_000;
  const counts = new Map<string, number>();
  for (const { text } of log.lines()) {
    const stamp = Date.parse(/^time=(\S+) (?:direction|way)=in /.exec(text)?.[1] ?? "");
    if (stamp < first) break;
    if (Number.isNaN(stamp) || !/ sender=<> /.test(text) || / at=lookup /.test(text)) continue;
    const [, check = ""] = / check=([\w-]+)/.exec(text) ?? [];
    if (!["returned-header", "reply", "forged", "refuse-unsigned"].includes(check)) continue;
    const kind = check === "refuse-unsigned" ? "rejected" : / result=(\w+)/.exec(text)?.[1] ?? "other";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const total = [...counts.values()].reduce((a, b) => a + b);
  const each = [...counts].sort().map(([kind, count]) => `${kind} ${count}`).join(", ");
  return `refuse_unsigned rejects what came from the null sender to the plain address: ${total} in the log of the last ` +
    `${SENT_DAYS} days (${each})`;
}

export function socketInfo(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
