/** What became of the messages of a soak. */
import { verifyTag } from "../../../lib/tag.ts";
import { fieldOf, SECRET } from "../../rig.ts";
import type { AcceptedMail } from "../../smtp_sink.ts";
import type { Happened } from "./faults.ts";
import { END, type Mail, tokenIn } from "./mail.ts";
import { nameOf } from "./traffic.ts";

/** Where messages were found. */
export interface Found {
  /** At the other end. */
  readonly sent: readonly AcceptedMail[];
  /** In the inboxes and the spam folders. */
  readonly inbox: readonly string[];
  readonly spam: readonly string[];
  /** The lines that the doorbell's program wrote. */
  readonly runs: readonly string[];
  /** Requests that the doorbell holds. */
  readonly held: readonly string[];
  /** The log of Postfix, and those of all programs. */
  readonly postfix: string;
  readonly logs: string;
  /** The faults. */
  readonly history: readonly Happened[];
}

/** The result: each list must be empty, except `doubled` and `allowed`, which are counted by reason. */
export interface Tally {
  readonly lost: string[];
  readonly misfiled: string[];
  readonly wronglySigned: string[];
  readonly runTwice: string[];
  /** Parts of a message, and copies that nothing explains. */
  readonly wrong: string[];
  readonly doubled: Record<string, number>;
  readonly allowed: Record<string, number>;
}

/** The queue ids in the Received fields, the newest first. */
const queueIds = (mail: string): string[] =>
  [...mail.split("\n\n")[0]!.matchAll(/^Received:[^;]*?\(Postfix[^;]*?\bid ([0-9A-Za-z]+)/gm)].map(([, id]) => id!);

const count = (counts: Record<string, number>, reason: string, by = 1) => counts[reason] = (counts[reason] ?? 0) + by;

export function tally(mails: readonly Mail[], found: Found): Tally {
  const out: Tally = { lost: [], misfiled: [], wronglySigned: [], runTwice: [], wrong: [], doubled: {}, allowed: {} };
  const sent = new Map<number, AcceptedMail[]>();
  const bounced = new Set<number>();
  for (const one of found.sent) {
    const id = tokenIn(fieldOf(one.mail, "Message-ID"));
    // A message from Postfix about another one, or a challenge.
    if (id === undefined) {
      if (one.from === "" && fieldOf(one.mail, "Reply-To") === "") bounced.add(tokenIn(one.mail)!);
      continue;
    }
    sent.set(id, [...sent.get(id) ?? [], one]);
  }
  const [inbox, spam] = [found.inbox, found.spam].map((list) => {
    const by = new Map<number, string[]>();
    for (const mail of list) {
      // A bounce by Postfix has no field of the soak, but returns the message.
      const id = tokenIn(fieldOf(mail, "X-Soak")) ?? tokenIn(mail);
      if (id === undefined) out.wrong.push(`a message of nobody: ${mail.slice(0, 200)}`);
      else by.set(id, [...by.get(id) ?? [], mail]);
    }
    return by;
  }) as [Map<number, string[]>, Map<number, string[]>];
  const runs = new Map<number, number>();
  for (const line of found.runs) runs.set(tokenIn(line)!, (runs.get(tokenIn(line)!) ?? 0) + 1);

  /** Counts the copies of a message beyond the first by their cause. */
  const copies = (mail: Mail, list: readonly string[]) => {
    if (list.length < 2) return;
    const submissions = new Set(list.map((text) => queueIds(text).at(-1)));
    const resent = submissions.size - 1;
    const announced = mail.way === "outbox" ? 1 + mail.unknown : mail.unknown;
    if (resent > announced) {
      out.wrong.push(`${nameOf(mail)}: ${resent + 1} submissions, ${mail.unknown} without result`);
    } else if (resent > 0) count(out.doubled, "sent again, because an attempt was killed or got no reply", resent);
    const again = list.length - submissions.size;
    if (again === 0) return;
    const why = whyAgain(list, found);
    if (why === undefined) out.wrong.push(`${nameOf(mail)}: ${again} copies too many`);
    else count(out.doubled, why, again);
  };

  const heldOrLost = (mail: Mail, why: string) => {
    if (found.held.some((text) => tokenIn(text.slice(text.indexOf("\n"))) === mail.id)) {
      count(out.allowed, `request held: ${why}`);
    } else out.lost.push(`${nameOf(mail)}: neither confirmed nor held`);
  };

  for (const mail of mails) {
    const [there, here, filed] = [sent.get(mail.id) ?? [], inbox.get(mail.id) ?? [], spam.get(mail.id) ?? []];
    const name = nameOf(mail);
    if (mail.result === undefined) out.wrong.push(`${name}: no result`);
    if (bounced.has(mail.id)) out.lost.push(`${name}: bounced`);
    switch (mail.kind) {
      case "own": {
        if (mail.result !== "accepted") out.lost.push(`${name}: ${mail.result}`);
        const texts = mail.fate === "refused" ? here : there.map((one) => one.mail);
        if (texts.length === 0) out.lost.push(name);
        if (mail.fate === "refused" && filed.length > 0) out.misfiled.push(`${name}: bounce by Postfix in spam`);
        copies(mail, texts);
        for (const one of there) {
          if (!one.mail.endsWith(END)) out.wrong.push(`${name}: a part`);
          const why = unsignedBy(one, mail.user);
          if (why !== undefined) out.wronglySigned.push(`${name}: ${why}`);
        }
        break;
      }
      case "impostor":
        for (const one of there) {
          if (/^X-Msgauth:/m.test(one.mail) || /^SRS/.test(one.from)) out.wronglySigned.push(`${name}: ${one.from}`);
        }
        if (mail.result === "accepted" && there.length === 0) out.lost.push(name);
        copies(mail, there.map((one) => one.mail));
        break;
      case "genuine":
      case "ordinary":
        if (mail.result !== "accepted") {
          if (isForgotten(mail, found, UNREACHED)) {
            count(out.allowed, "refused: the door did not know yet that a shim could not reach serve");
          } else out.misfiled.push(`${name}: ${mail.result}`);
        } else if (filed.length > 0) {
          const why = mayFile(mail, found);
          if (why === undefined) out.misfiled.push(`${name}: ${fieldOf(filed[0]!, "X-Countersign")}`);
          else count(out.allowed, why);
        } else if (here.length === 0) out.lost.push(name);
        copies(mail, here);
        break;
      case "forged":
        if (here.length > 0) out.misfiled.push(`${name}: ${fieldOf(here[0]!, "X-Countersign")}`);
        else if (mail.result === "accepted" && filed.length === 0) out.lost.push(name);
        if (mail.result === "accepted") count(out.allowed, "forged mail passed by the door and filed by a hook");
        copies(mail, filed);
        break;
      case "request":
      case "reply":
        if (mail.result !== "accepted") out.lost.push(`${name}: ${mail.result}`);
    }
    if (mail.kind === "reply") {
      const times = runs.get(mail.about!.id) ?? 0;
      if (times > 1) out.runTwice.push(nameOf(mail.about!));
      if (times === 0) heldOrLost(mail.about!, "its program may have been killed");
    }
    if (mail.kind === "request" && !mails.some(({ about }) => about === mail)) {
      heldOrLost(mail, "hooks were killed while they sent the challenge, which is sent twice in a day at most");
    }
  }
  for (const id of runs.keys()) {
    if (!mails.some(({ kind, about }) => kind === "reply" && about?.id === id)) out.wrong.push(`run unasked: ${id}`);
  }
  return out;
}

/** Why a bounce of a user's mail may be filed as spam: nothing in it but its Message-ID shows that it is genuine. */
function mayFile(mail: Mail, found: Found): string | undefined {
  const { way, about } = mail;
  if (way !== "named" || about === undefined) return undefined;
  const logged = isForgotten(mail, found);
  // The log is on the same disk.
  const full = found.history.some(({ name, from, to }) =>
    name === "disk of the site full" && about.begun < to && from < (about.ended ?? Infinity)
  );
  return logged || full ? "bounce names a message that was sent while the state could not be written" : undefined;
}

/** The reason of a shim that could not reach serve. Otherwise serve itself knows, and its door must pass the bounce. */
const UNREACHED = '"[^\\n"]*Request to countersign serve failed: (?!The state cannot be used)';

/**
 * Whether the log says that the message to which this bounce belongs was sent without being remembered.
 *
 * @param why a pattern of the reason
 */
function isForgotten({ way, about }: Mail, { logs }: Found, why = ""): boolean {
  return way === "named" && new RegExp(`id=<soak\\.${about?.id}\\.@[^\\n]* forgotten=${why}`).test(logs);
}

/** Why a message was delivered twice by the same Postfix, from its log. */
function whyAgain(list: readonly string[], { postfix, history }: Found): string | undefined {
  for (const id of new Set(list.flatMap(queueIds))) {
    const killed = postfix.split("\n").some((line) =>
      line.includes(` ${id}: `) && /status=deferred \(.*(?:died with signal|Killed|status 137)/.test(line)
    );
    if (killed) return "a hook was killed after it had delivered";
  }
  return history.some(({ name }) => name.startsWith("Postfix "))
    ? "Postfix was killed or stopped before it noted that it had delivered"
    : undefined;
}

/** Returns why this message is not correctly signed by the user. */
function unsignedBy({ from, mail }: AcceptedMail, user: string): string | undefined {
  if (!new RegExp(`^SRS0=[\\w-]{8}=..=example\\.org=${user}@srs\\.example\\.org$`).test(from)) return `sender ${from}`;
  if (mail.match(/^X-Msgauth:/gm)?.length !== 1) return "no tag, or more than one";
  try {
    verifyTag(fieldOf(mail, "X-Msgauth"), `${user}@example.org`, fieldOf(mail, "Message-ID"), {
      secrets: { k1: `${user} ${SECRET}`, k2: `${user} second ${SECRET}` },
      now: new Date(),
    });
    return undefined;
  } catch (error) {
    return `${error}`;
  }
}
