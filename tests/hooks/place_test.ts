import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../hooks/delivery.ts";
import type { Action, Verdict } from "../../hooks/judge.ts";
import { choosePlace, type Place } from "../../hooks/place.ts";
import { parseConfig } from "../../lib/config.ts";

const ACTIONS: Action[] = ["deliver", "spam", "answer"];
/** What a hook files on its own; the rest must get somewhere. */
const ENDS: Action[] = ["spam"];

interface Wanted {
  caller: Caller;
  action: Action;
  forward?: boolean;
  maildir?: string;
  plain?: boolean;
  signed?: boolean;
  passed?: boolean;
  /** Of `[incoming]`. */
  incoming?: string;
  /** The dot-qmail file; without it there is none. */
  file?: string;
}

function place({ caller, action, file, ...more }: Wanted): Promise<Place | undefined> {
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
    ...more.signed === undefined ? {} : { signed: more.signed },
    ...more.passed === undefined ? {} : { passed: more.passed },
  };
  const options = {
    caller,
    forward: more.forward ?? false,
    ...more.maildir === undefined ? {} : { maildir: more.maildir },
  };
  return choosePlace(
    { name: "incoming", options, settings, verdict, plain: more.plain ?? false },
    (name) => Promise.resolve(name === "EXT" ? "" : undefined),
    (path) => path === ".qmail" ? file : undefined,
  );
}

const good = async (wanted: Wanted, expected: Place | undefined) =>
  assert.deepEqual(await place(wanted), expected, JSON.stringify(wanted));
const bad = async (wanted: Wanted, message: RegExp) =>
  await assert.rejects(place(wanted), { kind: "config", message }, JSON.stringify(wanted));

const INBOX = 'inbox = "/in"\n';
const BOTH = `${INBOX}forward = true\n`;
const inbox: Place = { maildir: "/in" };
const HOOK = "|/usr/local/lib/countersign/hooks/incoming\n";
const NOTHING = /^Nothing delivers behind this hook: /;

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
        else await bad(loop, /^Mail to an identity's own address cannot be forwarded to it: /);
      }
    }
  }
});

Deno.test("a caller that delivers itself is left to it", { permissions: "none" }, async () => {
  for (const caller of CALLERS.filter((one) => one !== "qmail" && one !== "postfix")) {
    for (const action of ACTIONS) {
      for (const incoming of ["", BOTH]) {
        await good({ caller, action, incoming, signed: true, file: HOOK }, undefined);
      }
    }
  }
  for (const action of ACTIONS) {
    const file = `${HOOK}./Maildir/\n`;
    await good({ caller: "qmail", action, incoming: BOTH, signed: true, file }, undefined);
  }
});

Deno.test("the last one takes the place of the settings, or none", { permissions: "none" }, async () => {
  const last: Pick<Wanted, "caller" | "file" | "signed">[] = [
    { caller: "postfix" },
    { caller: "qmail", file: HOOK },
    { caller: "qmail", signed: true },
  ];
  for (const one of last) {
    for (const action of ACTIONS) {
      await good({ ...one, action, incoming: INBOX }, inbox);
      await good({ ...one, action, incoming: BOTH }, "forward");
      await good({ ...one, action, incoming: BOTH, plain: true }, inbox);
      await good({ ...one, action, incoming: "forward = true\n" }, "forward");
      for (const none of [{ incoming: "" }, { incoming: "forward = true\n", plain: true }]) {
        if (ENDS.includes(action)) await good({ ...one, action, ...none }, undefined);
        else await bad({ ...one, action, ...none }, NOTHING);
      }
    }
  }
});

Deno.test("where qmail's file is not found, only a signed address has no other place", {
  permissions: "none",
}, async () => {
  for (const action of ACTIONS) {
    for (const signed of [{}, { signed: false }]) {
      for (const incoming of ["", INBOX, BOTH]) await good({ caller: "qmail", action, incoming, ...signed }, undefined);
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
