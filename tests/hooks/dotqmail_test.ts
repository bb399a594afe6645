import assert from "node:assert/strict";
import { type Following, whatFollows } from "../../hooks/dotqmail.ts";

async function following(env: Record<string, string>, files: Record<string, string>): Promise<Following> {
  return await whatFollows("incoming", (name) => Promise.resolve(env[name]), (path) => files[path]);
}

const HOOK = "|/usr/local/lib/countersign/hooks/incoming";

Deno.test("the dot-qmail file is found as qmail-local finds it", { permissions: "none" }, async () => {
  const delivers = `${HOOK}\n./Maildir/\n`;
  assert.equal(await following({ EXT: "" }, { ".qmail": delivers }), "more");
  assert.equal(await following({}, { ".qmail": delivers }), "more");
  assert.equal(
    await following({ EXT: "srs-SRS0=Ab.C", DEFAULT: "SRS0=Ab.C" }, { ".qmail-srs-default": delivers }),
    "more",
  );
  assert.equal(
    await following({ EXT: "SRS-SRS0=Ab.C", DEFAULT: "SRS0=Ab.C" }, { ".qmail-srs-default": delivers }),
    "more",
  );
  assert.equal(await following({ EXT: "any", DEFAULT: "any" }, { ".qmail-default": delivers }), "more");
  assert.equal(await following({ EXT: "A.b" }, { ".qmail-a:b": delivers }), "more");
  assert.equal(await following({ EXT: "x" }, { ".qmail": delivers }), "unknown");
  const other = { EXT: "srs-SRS0", DEFAULT: "SRS1" };
  const unused = (path: string) => assert.fail(`${path} was read`);
  assert.equal(
    await whatFollows("incoming", (name) => Promise.resolve(other[name as keyof typeof other]), unused),
    "unknown",
    "DEFAULT is not the end of EXT",
  );
  // An extension with a slash names a file in a subfolder. qmail-local replaces dots by colons, so none can lead out.
  assert.equal(await following({ EXT: "a/b" }, { ".qmail-a/b": delivers }), "more");
  assert.equal(await following({ EXT: "../x" }, { ".qmail-::/x": delivers, ".qmail-../x": HOOK }), "more");
  // An address that ends in the dash: EXT is empty, and DEFAULT is set but empty.
  assert.equal(await following({ EXT: "", DEFAULT: "" }, { ".qmail-default": delivers, ".qmail": HOOK }), "more");
});

Deno.test("an unreadable dot-qmail file is an error, not a missing file", { permissions: "none" }, async () => {
  const error = new Error("Permission denied");
  const result = whatFollows("incoming", () => Promise.resolve(undefined), () => {
    throw error;
  });
  await assert.rejects(result, error);
});

Deno.test("invalid UTF-8 is accepted in the part that DEFAULT covers, and an error in the file's own name", {
  permissions: "none",
}, async () => {
  const delivers = `${HOOK}\n./Maildir/\n`;
  const env = { EXT: "srs-SRS0=\ufffd", DEFAULT: "SRS0=\ufffd" };
  assert.equal(await following(env, { ".qmail-srs-default": delivers }), "more");
  const message = 'The name of the dot-qmail file for "\ufffd" is not UTF-8';
  await assert.rejects(following({ EXT: "\ufffd" }, {}), { kind: "temporary", message });
});

Deno.test("only lines after the hook's line count", { permissions: "none" }, async () => {
  for (
    const [text, expected] of [
      [HOOK, "last"],
      [`${HOOK}\n\n# ./Maildir/\n`, "last"],
      [`${HOOK}\n \t\n`, "last"],
      [`./Maildir/\n${HOOK}\n`, "last"],
      [`${HOOK}\n./incoming/\n`, "more"],
      [`${HOOK}\n&incoming@example.org\n`, "more"],
      [`${HOOK}\n./Mail/incoming\n`, "more"],
      [`${HOOK}\n&greg+x@example.org\n`, "more"],
      [`${HOOK}\n./Mail#1/\n`, "more"],
      ["./incoming/\n", "unknown"],
      [`${HOOK} --as qmail\n&greg@example.org\n`, "more"],
      [`${HOOK}\n|preline procmail\n`, "more"],
      [`${HOOK}\n${HOOK}\n./Maildir/\n`, "more"],
      ["./Maildir/\n", "unknown"],
      ["", "unknown"],
      // qmail-local reads +list as a flag, not as a delivery.
      [`${HOOK}\n+list\n`, "last"],
      // Another program whose path merely contains the hook's name.
      ["|~/bin/check\n", "unknown"],
      ["|~/bin/check-incoming\n", "unknown"],
      ["|~/bin/incoming-check\n", "unknown"],
      ["|/opt/incoming/check\n", "unknown"],
      ["| vdelivermail '' bounce-no-mailbox\n", "unknown"],
      [`|~/bin/check\n${HOOK}\n`, "last"],
      [`${HOOK}\n|~/bin/check\n`, "more"],
      // Different ways to call the hook.
      ["|incoming\n", "last"],
      ["| hooks/incoming --as qmail\n", "last"],
      ["|'/opt/my hooks/incoming'\n", "last"],
      ['|exec "$HOME/hooks/incoming"\n', "last"],
      ["|umask 077; /opt/hooks/incoming\n", "last"],
      ["|envdir ./env /opt/hooks/incoming --config c.toml\n", "last"],
      ["|/opt/hooks/incoming 2>&1\n", "last"],
      ["|/opt/hooks/incoming || exit 75\n", "last"],
      // A shell command that continues after the hook is a wrapper.
      ["|/opt/hooks/incoming && /usr/bin/safecat Maildir/tmp Maildir/new\n", "unknown"],
      ["|if /opt/hooks/incoming; then exec maildrop; fi\n", "unknown"],
      ["|sh -c '/opt/hooks/incoming && exec maildrop'\n", "unknown"],
    ] as const
  ) {
    assert.equal(await following({ EXT: "" }, { ".qmail": text }), expected, text);
  }
});
