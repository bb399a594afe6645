/** Checks settings and keys that are valid, but do not work as intended. */
import type { Settings } from "../../lib/settings/parse.ts";
import { dayOf, parseDay, printDay } from "../../lib/date.ts";
import {
  type Key,
  KEY_SIGNING_DAYS,
  KEY_WARNING_DAYS,
  MIN_SECRET_BYTES,
  noValidKey,
  parseKeys,
  signingKey,
} from "../../lib/settings/keys.ts";
import { Fail } from "../../lib/fail.ts";
import { type Finding, findingsOf, type TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";

/** Returns the finding for settings, a key file or another file that cannot be used. */
export function findingOf(id: FindingId, fail: Fail, fallback: string): Finding {
  const { file = fallback, line, message, fix } = fail;
  return {
    id,
    what: message,
    where: line === undefined ? { file } : { file, line },
    why: "Until this is fixed, the shim sends nothing and the hook defers all mail.",
    fix: fix ?? (line === undefined ? "Check the file" : "Correct the line; see countersign.conf(5)"),
  };
}

/** Checks for settings that contradict each other. */
export function checkSettings({ file, text }: TextFile, settings: Settings, now: Date): Finding[] {
  const { list, add } = findingsOf(file);
  const at = (pattern: RegExp) => lineOf(text, pattern);
  const { sender, identity, prvs, incoming, tag } = settings;
  // With the default of `sender`, the user may have chosen to rely on the tag alone.
  const asked = /^\s*sender\s*=\s*["']srs["']/;
  const noDomain = identity.every((one) => one.srs_domain === "");
  if (sender === "srs" && !prvs.receive && noDomain && text.split("\n").some((line) => asked.test(line))) {
    add(
      "sender-srs-unused",
      'No envelope sender is signed: sender = "srs", but no identity has an srs_domain',
      at(asked),
      "Bounces go to the plain address, where only the tag identifies your mail.",
      'Below [[identity]]: srs_domain = "srs.example.org"',
    );
  }
  if (sender === "prvs" && !prvs.receive) {
    add(
      "sender-prvs-unused",
      'No envelope sender is signed: sender = "prvs", but prvs.receive is not set',
      at(/^\s*sender\s*=/),
      "Without it prvs is never used, and mail is sent with the plain sender.",
      'If your MTA accepts prvs addresses: [prvs] receive = true; otherwise sender = "srs"',
    );
  }
  const since = parseDay(settings.since);
  if (since !== undefined && since > dayOf(now) + 1) {
    add(
      "since-future",
      `since = ${settings.since} is in the future`,
      at(/^\s*since\s*=/),
      "The grace period begins only then.",
      `since = ${now.toISOString().slice(0, 10)}`,
    );
  }
  const plain = plainLine(settings, text);
  if (plain !== undefined && (incoming.forged === "refuse" || (!tag.sign && incoming.forged !== "mark"))) {
    const fate = incoming.forged === "refuse" ? "refused" : "filed as spam";
    add(
      "plain-judged",
      `Mail is sent with the plain sender, while bounces that look forged are ${fate}`,
      plain,
      "A genuine bounce that does not return your header cannot be distinguished from a forged one.",
      tag.sign ? 'In [incoming]: forged = "spam"' : "In [tag]: sign = true",
    );
  }
  return list;
}

/** Returns the line that makes mail have the plain sender; undefined if there is none. */
function plainLine({ sender, rule, plainLists }: Settings, text: string): number | undefined {
  const byRule = plainLists?.some || rule.some((one) => one.sender === "plain");
  return sender === "plain" || byRule ? lineOf(text, /^\s*(?:\S+\.)?sender\s*=\s*["']plain["']/) : undefined;
}

/** Returns the line of the nth [[identity]] in the settings; 1 if it cannot be found. */
export function identityLine(text: string, nth: number): number {
  let seen = -1;
  for (const [index, line] of text.split("\n").entries()) {
    if (/^\s*\[\[\s*identity\s*\]\]/.test(line) && ++seen === nth) return index + 1;
  }
  return 1;
}

/** Checks for keys that do not sign, will soon stop signing, or could be guessed. Secrets are not shown. */
export function checkKeys({ file, text }: TextFile, address: string, now: Date): Finding[] {
  const { list, add } = findingsOf(file);
  let keys;
  try {
    keys = parseKeys(text, file);
  } catch (error) {
    if (error instanceof Fail) return [findingOf("key-file-unusable", error, file)];
    throw error;
  }
  const line = ({ id }: Key) => lineOf(text, new RegExp(`^${id}[ \\t]`));
  const fix = `countersign keys new --address ${address}`;
  const today = dayOf(now);
  const signs = signingKey(keys, now);
  for (const key of keys) {
    // Beside a key that signs it was created in advance, so that all hosts have it in time (keys new --signs-from).
    if (key.created - today > 1 && signs === undefined) {
      add(
        "key-future",
        `Key ${key.id} of ${address} is dated in the future`,
        line(key),
        "It neither signs nor verifies, and no other key signs; if no other key verifies, bounces stay queued.",
        `${fix}, or correct the date in the line, or set the clock`,
      );
    }
    if (key.secret.length < MIN_SECRET_BYTES) {
      add(
        "key-short",
        `The secret of key ${key.id} of ${address} has only ${key.secret.length} bytes`,
        line(key),
        "Anybody who sees one of your envelope senders can guess it offline. The key verifies, but does not sign.",
        fix,
      );
    }
  }
  const old = keys.find((key) => today - key.created >= KEY_SIGNING_DAYS);
  if (signs === undefined && old !== undefined) {
    const judged = noValidKey(keys, now) === "expired" ? ", and its bounces are delivered unchecked" : "";
    add(
      "key-expired",
      `All keys of ${address} are too old to sign`,
      line(old),
      `A key signs for ${KEY_SIGNING_DAYS} days. Mail of this identity is sent unsigned${judged}.`,
      fix,
    );
  }
  if (signs !== undefined && today - signs.created >= KEY_WARNING_DAYS) {
    add(
      "key-expiring",
      `The newest key of ${address}, ${signs.id}, stops signing on ${printDay(signs.created + KEY_SIGNING_DAYS)}`,
      line(signs),
      "After that, mail of this identity is sent unsigned.",
      fix,
    );
  }
  return list;
}

/** Returns the number of the first matching line; 1 if there is none. */
function lineOf(text: string, pattern: RegExp): number {
  const index = text.split("\n").findIndex((line) => pattern.test(line));
  return index < 0 ? 1 : index + 1;
}
