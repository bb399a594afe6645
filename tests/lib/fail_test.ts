import assert from "node:assert/strict";
import { errorText, Fail, type FailData, isRejection, type Kind, placed, reason } from "../../lib/fail.ts";

/** [file, line and fix; what is printed around "Message"] */
const printed: [FailData, string][] = [
  [{}, "Message"],
  [{ file: "/f" }, "/f: Message"],
  [{ file: "/f", line: 3 }, "/f:3: Message"],
  [{ fix: "chmod 600 /f" }, "Message: chmod 600 /f"],
  [{ file: "/f", fix: "chmod 600 /f" }, "/f: Message: chmod 600 /f"],
  [{ file: "/f", line: 3, fix: "did you mean srs?" }, "/f:3: Message: did you mean srs?"],
  // A line number without its file is useless.
  [{ line: 3 }, "Message"],
  // Control characters in a name could control the terminal.
  [{ file: "/a\x1b[2J\nb", line: 1 }, '"/a\\u001b[2J\\nb":1: Message'],
  [{ file: "/a\x9bb" }, '"/a\\u009bb": Message'],
];
for (const [data, text] of printed) {
  Deno.test(`an error with ${JSON.stringify(data)} is printed as ${text}`, { permissions: "none" }, () => {
    const fail = new Fail("config", "Message", data);
    assert.equal(errorText(fail), text);
    assert.equal(placed("Message", data), text);
    assert.deepEqual([fail.kind, fail.message, fail.file, fail.line, fail.fix], [
      "config",
      "Message",
      data.file,
      data.line,
      data.fix,
    ]);
    assert.equal(reason(fail), text, "within another message too");
  });
}

Deno.test(
  "the suggested fix for a denied permission is countersign sandbox, unless the error names another",
  { permissions: "none" },
  () => {
    let denied: unknown;
    try {
      Deno.statSync("/nonexistent");
    } catch (error) {
      denied = error;
    }
    const fail = new Fail("io", `File cannot be read: ${reason(denied)}`, { file: "/nonexistent", cause: denied });
    assert.equal(fail.fix, "countersign sandbox");
    assert.match(
      errorText(fail),
      /^\/nonexistent: File cannot be read: read access to .* is not permitted: countersign sandbox$/,
    );
    assert.equal(new Fail("io", "Message", { cause: denied, fix: "another" }).fix, "another");
    assert.equal(new Fail("io", "Message", { cause: new Error("x") }).fix, undefined);
  },
);

Deno.test("anything but a Fail is a bug, on one line", { permissions: "none" }, () => {
  assert.equal(errorText(new TypeError("a\n  b")), "Bug: a b");
  assert.equal(errorText("text"), "Bug: text");
});

Deno.test("only findings about an address or a signature are rejections", { permissions: "none" }, () => {
  const findings: Kind[] = [
    ...["address-invalid", "no-at", "at-in-user", "not-srs", "not-prvs", "not-tag"] as const,
    ...["hash-invalid", "tag-invalid", "stamp-expired", "tag-expired", "no-secret"] as const,
  ];
  const local: Kind[] = [
    ...["option-invalid", "usage", "data", "input", "refused"] as const,
    ...["system", "io", "temporary", "permission", "config"] as const,
  ];
  for (const kind of findings) assert.ok(isRejection(new Fail(kind, "Message")), kind);
  for (const kind of local) assert.ok(!isRejection(new Fail(kind, "Message")), kind);
  assert.ok(!isRejection(new Error("Message")));
});
