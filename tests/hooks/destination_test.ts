import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import type { Action, Verdict } from "../../incoming/verdict.ts";
import { chooseDestination, type Destination } from "../../hooks/destination.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";

const ACTIONS: Action[] = ["deliver", "spam", "answer"];
/** What a hook files on its own; the rest must get somewhere. */
const ENDS: Action[] = ["spam"];

interface Wanted {
  caller: Caller;
  action: Action;
  forward?: boolean;
  maildir?: string;
  plain?: boolean;
  passed?: boolean;
  /** Of `[incoming]`. */
  incoming?: string;
  /** The dot-qmail file; without it there is none, and an error is thrown when it is read. */
  file?: string | Error;
}

function place({ caller, action, file, ...more }: Wanted): Promise<Destination | undefined> {
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
    ...more.maildir === undefined ? {} : { maildir: more.maildir },
  };
  return chooseDestination(
    { name: "incoming", options, settings, verdict, plain: more.plain ?? false },
    (name) => Promise.resolve(name === "EXT" ? "" : undefined),
    (path) => {
      if (file instanceof Error) throw file;
      return path === ".qmail" ? file : undefined;
    },
  );
}

const good = async (wanted: Wanted, expected: Destination | undefined) =>
  assert.deepEqual(await place(wanted), expected, JSON.stringify(wanted));
const bad = async (wanted: Wanted, message: RegExp) =>
  await assert.rejects(place(wanted), { kind: "config", message }, JSON.stringify(wanted));

const INBOX = 'inbox = "/in"\n';
const BOTH = `${INBOX}forward = true\n`;
const inbox: Destination = { maildir: "/in" };
const HOOK = "|/usr/local/lib/countersign/hooks/incoming\n";
const NOTHING = /^Nothing delivers behind this hook$/;

Deno.test("the command line comes before all else", { permissions: "none" }, async () => {
  for (const caller of CALLERS) {
    for (const action of ACTIONS) {
      for (const incoming of ["", BOTH]) {
        for (const plain of [false, true]) {
          await good({ caller, action, plain, incoming, maildir: "/m" }, { maildir: "/m" });
        }
        await good({ caller, action, incoming, forward: true }, "forward");
        // To oneself it would be a loop; what is filed goes nowhere.
        const loop: Wanted = { caller, action, incoming, forward: true, plain: true };
        if (ENDS.includes(action)) await good(loop, undefined);
        else if (incoming === BOTH) await good(loop, inbox);
        else await bad(loop, /^Mail to an identity's own address cannot be forwarded to it$/);
      }
    }
  }
});

Deno.test("a caller that delivers itself is left to it", { permissions: "none" }, async () => {
  for (const caller of CALLERS.filter((one) => one !== "qmail" && one !== "postfix")) {
    for (const action of ACTIONS) {
      for (const incoming of ["", BOTH]) {
        await good({ caller, action, incoming, file: HOOK }, undefined);
      }
    }
  }
  for (const action of ACTIONS) {
    const file = `${HOOK}./Maildir/\n`;
    await good({ caller: "qmail", action, incoming: BOTH, file }, undefined);
  }
});

Deno.test("the last one takes the place of the settings, or none", { permissions: "none" }, async () => {
  const last: Pick<Wanted, "caller" | "file">[] = [
    { caller: "postfix" },
    { caller: "qmail", file: HOOK },
  ];
  for (const one of last) {
    for (const action of ACTIONS.filter((action) => !ENDS.includes(action))) {
      await good({ ...one, action, incoming: INBOX }, inbox);
      await good({ ...one, action, incoming: BOTH }, "forward");
      await good({ ...one, action, incoming: BOTH, plain: true }, inbox);
      await good({ ...one, action, incoming: "forward = true\n" }, "forward");
      for (const none of [{ incoming: "" }, { incoming: "forward = true\n", plain: true }]) {
        await bad({ ...one, action, ...none }, NOTHING);
      }
    }
    for (const action of ENDS) {
      for (const incoming of ["", INBOX, BOTH]) await good({ ...one, action, incoming }, undefined);
    }
  }
});

Deno.test("a wrapper is left to deliver itself: its file is missing, or has no line of ours", {
  permissions: "none",
}, async () => {
  for (const action of ACTIONS) {
    for (const file of [undefined, "|/home/greg/bin/check\n", "| vdelivermail '' bounce-no-mailbox\n", ""]) {
      for (const incoming of ["", INBOX, BOTH]) {
        await good({ caller: "qmail", action, incoming, ...file !== undefined && { file } }, undefined);
      }
    }
  }
});

Deno.test("a file that cannot be read may hold the hook alone: what must be delivered is deferred", {
  permissions: "none",
}, async () => {
  const file = new Fail("temporary", "File .qmail cannot be read: Permission denied (os error 13)");
  for (const incoming of ["", INBOX, BOTH]) {
    for (const action of ACTIONS) {
      const given: Wanted = { caller: "qmail", action, incoming, file };
      // What is filed needs no place.
      if (ENDS.includes(action)) await good(given, undefined);
      else await assert.rejects(place(given), file);
      await good({ ...given, maildir: "/m" }, { maildir: "/m" });
      for (const caller of CALLERS.filter((one) => one !== "qmail" && one !== "postfix")) {
        await good({ ...given, caller }, undefined);
      }
    }
  }
});

Deno.test("another user's signed address is left to what comes behind, whatever the command line says", {
  permissions: "none",
}, async () => {
  const file = `${HOOK}|/usr/local/lib/countersign/hooks/incoming --config ann.toml --forward\n./Maildir/\n`;
  const passed: Wanted = { caller: "qmail", action: "deliver", passed: true };
  for (const incoming of ["", BOTH]) {
    for (const more of [{}, { forward: true }, { maildir: "/m" }]) {
      await good({ ...passed, file, incoming, ...more }, undefined);
      await good({ ...passed, caller: "procmail", incoming, ...more }, undefined);
    }
    await good({ ...passed, caller: "maildrop", incoming }, undefined);
    // Nothing comes behind these.
    await good({ ...passed, caller: "maildrop", incoming, maildir: "/m" }, { maildir: "/m" });
    await good({ ...passed, file: HOOK, incoming, maildir: "/m" }, { maildir: "/m" });
    await good({ ...passed, caller: "postfix", incoming, maildir: "/m" }, { maildir: "/m" });
    await good({ ...passed, caller: "postfix", incoming, forward: true }, "forward");
  }
});
