import assert from "node:assert/strict";
import { type Caller, CALLERS } from "../../incoming/delivery.ts";
import { DONE, exitStatus, type Outcome } from "../../hooks/exits.ts";
import { callerIn, parseOptions } from "../../hooks/options.ts";
import { ROOT } from "../rig.ts";

Deno.test("the command line of a hook", { permissions: "none" }, () => {
  assert.deepEqual(parseOptions([]), { caller: "qmail", forward: false });
  for (const caller of CALLERS) assert.equal(parseOptions(["--as", caller]).caller, caller);
  assert.deepEqual(
    parseOptions(["--as=maildrop", "--maildir", "/m", "--config=/c", "--sender", "", "--recipient=a@b"]),
    {
      caller: "maildrop",
      forward: false,
      maildir: "/m",
      config: "/c",
      sender: "",
      recipient: "a@b",
    },
  );
  assert.equal(parseOptions(["--forward"]).forward, true);
  // Following "--" nothing that a stranger chose as his address is an option.
  const [sender, recipient] = ["--maildir=/tmp/x@b.example", "--as=qmail"];
  const words = ["--as", "postfix", "--", sender, recipient];
  assert.deepEqual(parseOptions(words), { caller: "postfix", forward: false, sender, recipient });
  assert.equal(callerIn(words), "postfix");
  assert.equal(parseOptions(["--help"]).ask, "help");
  assert.equal(parseOptions(["--version"]).ask, "version");
});

Deno.test("what is not understood is named", { permissions: "none" }, () => {
  const bad: [string[], RegExp][] = [
    [["--as", "sendmail"], /--as "sendmail" is not one of qmail, /],
    [["--as"], /--as needs an argument/],
    [["--nonsense"], /Unknown argument "--nonsense"/],
    [["maildir"], /Unknown argument "maildir"/],
    [["--forward=x"], /Unknown argument "--forward=x"/],
    [["--forward", "--maildir", "/m"], /exclude each other/],
    [["--help", "--forward"], /Unknown argument "--help"/],
    [["--as", "qmail\nx"], /"qmail\\nx"/],
    [["--as", "postfix", "--", "a@b", "c@d", "e@f"], /^2 recipients in one delivery$/],
  ];
  for (const [args, message] of bad) {
    assert.throws(() => parseOptions(args), { kind: "usage", message }, args.join(" "));
  }
});

/** What the caller makes of it. */
type Reading = "go-on" | "done" | "refuse" | "defer";

const WANTED: Record<Outcome, Reading> = {
  "go-on": "go-on",
  delivered: "done",
  forwarded: "done",
  filed: "done",
  answered: "done",
  redirected: "done",
  defer: "defer",
};

// Postfix's pipe(8), and the MTA behind maildrop's `to "|…"`.
const byMta = (status: number): Reading => status === 0 ? "done" : [71, 75].includes(status) ? "defer" : "refuse";

/** By its manual, or by the lines in contrib. */
const READS: Record<Caller, (status: number) => Reading> = {
  // qmail-command(8): these are permanent, 0 goes on, 99 stops; all others are temporary.
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
  postfix: byMta,
  // Its exit status is for the message that came out.
  filter: (status) => status === 0 ? "go-on" : "defer",
  condredirect: (status) => ({ 0: "done", 111: "defer" } as const)[status] ?? "go-on",
};

/** What cannot be had becomes something by which nothing is lost. */
const INSTEAD: Partial<Record<Caller, Partial<Record<Reading, Reading>>>> = {
  postfix: { "go-on": "defer" },
  filter: { done: "go-on" },
};

Deno.test("each caller reads a status its own way", { permissions: "none" }, () => {
  for (const [name, wanted] of Object.entries(WANTED)) {
    const outcome = name as Outcome;
    assert.equal(DONE.includes(outcome), wanted === "done", outcome);
    for (const caller of CALLERS) {
      const status = exitStatus(caller, outcome, false);
      assert.equal(READS[caller](status), INSTEAD[caller]?.[wanted] ?? wanted, `${caller} ${outcome}: ${status}`);
      if (caller !== "maildrop") assert.equal(exitStatus(caller, outcome, true), status, `${caller} ${outcome}`);
    }
    // A hook with a place of its own never leaves it to maildrop to go on.
    if (outcome !== "go-on") assert.equal(byMta(exitStatus("maildrop", outcome, true)), wanted, outcome);
  }
});

/** Does a pattern of the shell match? */
function matches(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("[!", "[^").replaceAll("$", "\\$");
  return new RegExp(`^${source}$`).test(text);
}

Deno.test("the launcher lets every status through", { permissions: { read: true } }, () => {
  const text = Deno.readTextFileSync(`${ROOT}/build/run.sh`).replaceAll("\\\n", "");
  const list = /^case \$part\.\$status in (.*)\) exit "\$status" ;; esac$/m.exec(text)![1]!;
  const through = new Set(
    Array.from({ length: 256 }, (_, status) => status).filter((status) =>
      list.split(/ *\| */).some((pattern) => matches(pattern, `incoming.${status}`))
    ),
  );
  const used = new Set(
    CALLERS.flatMap((caller) =>
      Object.keys(WANTED).flatMap((outcome) =>
        [true, false].map((last) => exitStatus(caller, outcome as Outcome, last))
      )
    ),
  );
  assert.deepEqual([...used].sort(), [...through].sort());
  // By any of these our own server would send a bounce.
  for (const status of through) assert.notEqual(READS.qmail(status), "refuse", String(status));
});
