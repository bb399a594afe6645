import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import { DONE, exitStatus, type Outcome } from "../../hooks/exits.ts";
import { callerIn, parseOptions } from "../../hooks/options.ts";
import { VERSION } from "../../lib/version.ts";
import { ROOT } from "../rig.ts";

Deno.test("the command line of a hook", { permissions: "none" }, () => {
  assert.deepEqual(parseOptions([]), { caller: "qmail", forward: false });
  for (const caller of CALLERS) assert.equal(parseOptions(["--as", caller]).caller, caller);
  assert.deepEqual(
    parseOptions(["--as=maildrop", "--maildir", "/m", "--config=/c", "--sender", "", "--recipient=a@b"]),
    {
      caller: "maildrop",
      forward: false,
      mailbox: { maildir: "/m" },
      config: "/c",
      sender: "",
      recipient: "a@b",
    },
  );
  assert.equal(parseOptions(["--forward"]).forward, true);
  // After "--" an address that a stranger chose is never read as an option.
  const [sender, recipient] = ["--maildir=/tmp/x@b.example", "--as=qmail"];
  const args = ["--as", "postfix", "--", sender, recipient];
  assert.deepEqual(parseOptions(args), { caller: "postfix", forward: false, sender, recipient });
  assert.equal(callerIn(args), "postfix");
  for (const word of ["-h", "--help"]) assert.match(parseOptions([word]).text ?? "", /^Usage: incoming /);
  for (const word of ["-V", "--version"]) assert.equal(parseOptions([word]).text, `countersign ${VERSION}`);
});

Deno.test("error messages quote the argument that is not understood", { permissions: "none" }, () => {
  const rows: [args: string[], message: RegExp][] = [
    [["--as", "sendmail"], /--as "sendmail" is not one of qmail, /],
    [["--as"], /--as needs an argument/],
    [["--nonsense"], /Unknown argument "--nonsense"/],
    [["maildir"], /Unknown argument "maildir"/],
    [["--forward=x"], /Unknown argument "--forward=x"/],
    [["--forward", "--maildir", "/m"], /cannot be combined/],
    [["--forward", "--mbox", "/m"], /cannot be combined/],
    [["--maildir", "/m", "--mbox", "/m"], /cannot be combined/],
    [["--help", "--forward"], /Unknown argument "--help"/],
    [["--forward", "-V"], /Unknown argument "-V"/],
    [["--as", "qmail\nx"], /"qmail\\nx"/],
    [["--as", "postfix", "--", "a@b", "c@d", "e@f"], /^2 recipients in one delivery$/],
  ];
  for (const [args, message] of rows) {
    assert.throws(() => parseOptions(args), { kind: "usage", message }, args.join(" "));
  }
});

/** How the caller interprets an exit status. */
type Reading = "go-on" | "done" | "refuse" | "defer";

const EXPECTED: Record<Outcome, Reading> = {
  "go-on": "go-on",
  delivered: "done",
  forwarded: "done",
  filed: "done",
  answered: "done",
  redirected: "done",
  defer: "defer",
};

// Postfix's pipe(8), and the MTA that runs maildrop with `to "|…"`.
const readByMta = (status: number): Reading => status === 0 ? "done" : [71, 75].includes(status) ? "defer" : "refuse";

/** How each caller reads a status, according to its manual or to the snippet in contrib. */
const READ_BY: Record<Caller, (status: number) => Reading> = {
  // qmail-command(8): these are permanent errors, 0 continues, 99 stops; all others are temporary errors.
  qmail: (status) =>
    [100, 64, 65, 70, 76, 77, 78, 112].includes(status)
      ? "refuse"
      : status === 0
      ? "go-on"
      : status === 99
      ? "done"
      : "defer",
  maildrop: (status) => ({ 99: "done", 75: "defer" } as const)[status] ?? "go-on",
  procmail: (status) => ({ 0: "done", 75: "defer" } as const)[status] ?? "go-on",
  postfix: readByMta,
  // Its exit status is about the message on standard output.
  filter: (status) => status === 0 ? "go-on" : "defer",
  condredirect: (status) => ({ 0: "done", 111: "defer" } as const)[status] ?? "go-on",
};

/** Where a caller has no such status, one is used with which no mail is lost. */
const SUBSTITUTES: Partial<Record<Caller, Partial<Record<Reading, Reading>>>> = {
  postfix: { "go-on": "defer" },
  filter: { done: "go-on" },
};

Deno.test("each caller gets a status that means the outcome to it", { permissions: "none" }, () => {
  for (const [name, expected] of Object.entries(EXPECTED)) {
    const outcome = name as Outcome;
    assert.equal(DONE.includes(outcome), expected === "done", outcome);
    for (const caller of CALLERS) {
      const status = exitStatus(caller, outcome, false);
      assert.equal(
        READ_BY[caller](status),
        SUBSTITUTES[caller]?.[expected] ?? expected,
        `${caller} ${outcome}: ${status}`,
      );
      if (caller !== "maildrop") assert.equal(exitStatus(caller, outcome, true), status, `${caller} ${outcome}`);
    }
    // A hook with its own destination never leaves the delivery to maildrop.
    if (outcome !== "go-on") assert.equal(readByMta(exitStatus("maildrop", outcome, true)), expected, outcome);
  }
});

/** Whether a pattern of the shell's `case` matches. */
function matches(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("[!", "[^").replaceAll("$", "\\$");
  return new RegExp(`^${source}$`).test(text);
}

Deno.test(
  "the launcher passes through the hook's statuses only",
  { permissions: { read: true } },
  () => {
    const text = Deno.readTextFileSync(`${ROOT}/build/run.sh`).replaceAll("\\\n", "");
    const list = /^case \$part\.\$status in (.*)\) exit "\$status" ;; esac$/m.exec(text)![1]!;
    const passedThrough = new Set(
      Array.from({ length: 256 }, (_, status) => status).filter((status) =>
        list.split(/ *\| */).some((pattern) => matches(pattern, `incoming.${status}`))
      ),
    );
    const used = new Set(
      CALLERS.flatMap((caller) =>
        Object.keys(EXPECTED).flatMap((outcome) =>
          [true, false].map((last) => exitStatus(caller, outcome as Outcome, last))
        )
      ),
    );
    assert.deepEqual([...used].sort(), [...passedThrough].sort());
    // A status that qmail reads as permanent would make our own server send a bounce.
    for (const status of passedThrough) assert.notEqual(READ_BY.qmail(status), "refuse", String(status));
  },
);
