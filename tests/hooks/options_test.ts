import assert from "node:assert/strict";
import { CALLERS } from "../../hooks/delivery.ts";
import { exitStatus } from "../../hooks/exits.ts";
import { callerIn, parseOptions } from "../../hooks/options.ts";

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
  // Behind "--" nothing that a stranger chose as his address is an option.
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
  ];
  for (const [args, message] of bad) {
    assert.throws(() => parseOptions(args), { kind: "usage", message }, args.join(" "));
  }
});

Deno.test("each caller reads a status its own way", { permissions: "none" }, () => {
  // qmail-command(8): these are permanent, 0 goes on, 99 stops; all others are temporary.
  const permanent = [100, 64, 65, 70, 76, 77, 78, 112];
  assert.ok(permanent.includes(exitStatus("qmail", "refuse", false)));
  for (const caller of CALLERS) {
    assert.ok(!permanent.includes(exitStatus(caller, "defer", false)), `${caller} takes defer for permanent`);
    assert.notEqual(exitStatus(caller, "defer", false), 0, `${caller} takes defer for done`);
    for (const last of [true, false]) {
      assert.notEqual(exitStatus(caller, "filed", last), exitStatus(caller, "defer", last));
    }
  }
  assert.notEqual(exitStatus("procmail", "go-on", false), 0, "procmail takes 0 for delivered");
  assert.equal(exitStatus("condredirect", "defer", false), 111, "condredirect takes anything but 0 and 111 for no");
  assert.equal(exitStatus("maildrop", "delivered", true), 0, "maildrop's to hands the status to the MTA");
});
