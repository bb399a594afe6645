import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import type { Action, Verdict } from "../../incoming/verdict.ts";
import { chooseDestination, type Destination } from "../../hooks/destination.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";

const ACTIONS: Action[] = ["deliver", "spam", "answer"];
/** Actions that the hook completes by filing the message; for the others it needs a destination. */
const FILED: Action[] = ["spam"];

interface Situation {
  caller: Caller;
  action: Action;
  forward?: boolean;
  maildir?: string;
  mbox?: string;
  plain?: boolean;
  passed?: boolean;
  /** The lines of the table `[incoming]`. */
  incoming?: string;
  /** The content of the dot-qmail file, or the error that reading it throws; by default the file does not exist. */
  dotQmail?: string | Error;
}

function destination({ caller, action, dotQmail, ...more }: Situation): Promise<Destination | undefined> {
  const settings = parseConfig(
    `[[identity]]\naddress = "greg@example.org"\n[transport]\nvia = "maildir"\nmaildir = "/out"\n` +
      `[incoming]\n${more.incoming ?? ""}`,
    { file: "/etc/c.toml", home: "/home/greg" },
  );
  const verdict: Verdict = {
    action,
    check: "x",
    result: "other",
    reason: "x",
    ...more.passed === undefined ? {} : { passed: more.passed },
  };
  const options = {
    caller,
    forward: more.forward ?? false,
    ...more.maildir === undefined ? {} : { mailbox: { maildir: more.maildir } },
    ...more.mbox === undefined ? {} : { mailbox: { mbox: more.mbox } },
  };
  return chooseDestination(
    { name: "incoming", options, settings, verdict, plain: more.plain ?? false },
    (name) => Promise.resolve(name === "EXT" ? "" : undefined),
    (path) => {
      if (dotQmail instanceof Error) throw dotQmail;
      return path === ".qmail" ? dotQmail : undefined;
    },
  );
}

const chooses = async (situation: Situation, expected: Destination | undefined) =>
  assert.deepEqual(await destination(situation), expected, JSON.stringify(situation));
const rejects = async (situation: Situation, message: RegExp) =>
  await assert.rejects(destination(situation), { kind: "config", message }, JSON.stringify(situation));

const INBOX = 'inbox = "/in"\n';
const INBOX_AND_FORWARD = `${INBOX}forward = true\n`;
const inbox: Destination = { maildir: "/in" };
const HOOK = "|/usr/local/lib/countersign/hooks/incoming\n";
const NO_DELIVERY = /^Nothing delivers after this hook$/;

Deno.test("options on the command line override the settings and the caller", { permissions: "none" }, async () => {
  for (const caller of CALLERS) {
    for (const action of ACTIONS) {
      for (const incoming of ["", INBOX_AND_FORWARD]) {
        for (const plain of [false, true]) {
          await chooses({ caller, action, plain, incoming, maildir: "/m" }, { maildir: "/m" });
        }
        await chooses({ caller, action, incoming, mbox: "/var/mail/greg" }, { mbox: "/var/mail/greg" });
        await chooses({ caller, action, incoming, forward: true }, "forward");
        // Forwarding to the identity's own address would be a loop. Filed mail is not forwarded.
        const loop: Situation = { caller, action, incoming, forward: true, plain: true };
        if (FILED.includes(action)) await chooses(loop, undefined);
        else if (incoming === INBOX_AND_FORWARD) await chooses(loop, inbox);
        else await rejects(loop, /^Mail to an identity's own address cannot be forwarded to it$/);
      }
    }
  }
});

Deno.test("a caller that delivers by itself keeps the message", { permissions: "none" }, async () => {
  for (const caller of CALLERS.filter((name) => name !== "qmail" && name !== "postfix")) {
    for (const action of ACTIONS) {
      for (const incoming of ["", INBOX_AND_FORWARD]) {
        await chooses({ caller, action, incoming, dotQmail: HOOK }, undefined);
      }
    }
  }
  for (const action of ACTIONS) {
    const dotQmail = `${HOOK}./Maildir/\n`;
    await chooses({ caller: "qmail", action, incoming: INBOX_AND_FORWARD, dotQmail }, undefined);
  }
});

Deno.test(
  "the last hook delivers as the settings say, or fails",
  { permissions: "none" },
  async () => {
    const last: Pick<Situation, "caller" | "dotQmail">[] = [
      { caller: "postfix" },
      { caller: "qmail", dotQmail: HOOK },
    ];
    for (const situation of last) {
      for (const action of ACTIONS.filter((action) => !FILED.includes(action))) {
        await chooses({ ...situation, action, incoming: INBOX }, inbox);
        await chooses({ ...situation, action, incoming: 'inbox = "mbox:in"\n' }, { mbox: "/etc/in" });
        await chooses({ ...situation, action, incoming: INBOX_AND_FORWARD }, "forward");
        await chooses({ ...situation, action, incoming: INBOX_AND_FORWARD, plain: true }, inbox);
        await chooses({ ...situation, action, incoming: "forward = true\n" }, "forward");
        for (const nowhere of [{ incoming: "" }, { incoming: "forward = true\n", plain: true }]) {
          await rejects({ ...situation, action, ...nowhere }, NO_DELIVERY);
        }
      }
      for (const action of FILED) {
        for (const incoming of ["", INBOX, INBOX_AND_FORWARD]) {
          await chooses(
            { ...situation, action, incoming },
            undefined,
          );
        }
      }
    }
  },
);

Deno.test("a wrapper delivers by itself: the dot-qmail file is missing, or has no line for the hook", {
  permissions: "none",
}, async () => {
  for (const action of ACTIONS) {
    for (const dotQmail of [undefined, "|/home/greg/bin/check\n", "| vdelivermail '' bounce-no-mailbox\n", ""]) {
      for (const incoming of ["", INBOX, INBOX_AND_FORWARD]) {
        await chooses({ caller: "qmail", action, incoming, ...dotQmail !== undefined && { dotQmail } }, undefined);
      }
    }
  }
});

Deno.test("an unreadable dot-qmail file might contain only the hook: mail that must be delivered is deferred", {
  permissions: "none",
}, async () => {
  const unreadable = new Fail("temporary", "File .qmail cannot be read: Permission denied (os error 13)");
  for (const incoming of ["", INBOX, INBOX_AND_FORWARD]) {
    for (const action of ACTIONS) {
      const situation: Situation = { caller: "qmail", action, incoming, dotQmail: unreadable };
      // Filed mail needs no destination.
      if (FILED.includes(action)) await chooses(situation, undefined);
      else await assert.rejects(destination(situation), unreadable);
      await chooses({ ...situation, maildir: "/m" }, { maildir: "/m" });
      for (const caller of CALLERS.filter((name) => name !== "qmail" && name !== "postfix")) {
        await chooses({ ...situation, caller }, undefined);
      }
    }
  }
});

Deno.test("mail to another user's signed address is left to the next delivery, whatever the options say", {
  permissions: "none",
}, async () => {
  const dotQmail = `${HOOK}|/usr/local/lib/countersign/hooks/incoming --config ann.toml --forward\n./Maildir/\n`;
  const passed: Situation = { caller: "qmail", action: "deliver", passed: true };
  for (const incoming of ["", INBOX_AND_FORWARD]) {
    for (const more of [{}, { forward: true }, { maildir: "/m" }]) {
      await chooses({ ...passed, dotQmail, incoming, ...more }, undefined);
      await chooses({ ...passed, caller: "procmail", incoming, ...more }, undefined);
    }
    await chooses({ ...passed, caller: "maildrop", incoming }, undefined);
    // Nothing follows the hook in these cases.
    await chooses({ ...passed, caller: "maildrop", incoming, maildir: "/m" }, { maildir: "/m" });
    await chooses({ ...passed, dotQmail: HOOK, incoming, maildir: "/m" }, { maildir: "/m" });
    await chooses({ ...passed, caller: "postfix", incoming, maildir: "/m" }, { maildir: "/m" });
    await chooses({ ...passed, caller: "postfix", incoming, forward: true }, "forward");
  }
});
