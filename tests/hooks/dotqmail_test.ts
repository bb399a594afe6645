import assert from "node:assert/strict";
import { type Following, whatFollows } from "../../hooks/dotqmail.ts";

async function behind(env: Record<string, string>, files: Record<string, string>): Promise<Following> {
  return await whatFollows("incoming", (name) => Promise.resolve(env[name]), (path) => files[path]);
}

const HOOK = "|/usr/local/lib/countersign/hooks/incoming";

Deno.test("the dot-qmail file is found as qmail-local finds it", { permissions: "none" }, async () => {
  const more = `${HOOK}\n./Maildir/\n`;
  assert.equal(await behind({ EXT: "" }, { ".qmail": more }), "more");
  assert.equal(await behind({}, { ".qmail": more }), "more");
  assert.equal(await behind({ EXT: "srs-SRS0=Ab.C", DEFAULT: "SRS0=Ab.C" }, { ".qmail-srs-default": more }), "more");
  assert.equal(await behind({ EXT: "SRS-SRS0=Ab.C", DEFAULT: "SRS0=Ab.C" }, { ".qmail-srs-default": more }), "more");
  assert.equal(await behind({ EXT: "any", DEFAULT: "any" }, { ".qmail-default": more }), "more");
  assert.equal(await behind({ EXT: "A.b" }, { ".qmail-a:b": more }), "more");
  assert.equal(await behind({ EXT: "x" }, { ".qmail": more }), "unknown");
  const other = { EXT: "srs-SRS0", DEFAULT: "SRS1" };
  assert.equal(await behind(other, { ".qmail-srs-default": more }), "unknown", "not the end of it");
  // With a slash qmail-local opens a file in a folder below the home; no dot is left that could lead out of it.
  assert.equal(await behind({ EXT: "a/b" }, { ".qmail-a/b": more }), "more");
  assert.equal(await behind({ EXT: "../x" }, { ".qmail-::/x": more, ".qmail-../x": HOOK }), "more");
  // An address that ends in the dash: EXT is empty, DEFAULT too, but set.
  assert.equal(await behind({ EXT: "", DEFAULT: "" }, { ".qmail-default": more, ".qmail": HOOK }), "more");
});

Deno.test("an error is no answer: what cannot be read is not missing", { permissions: "none" }, async () => {
  const error = new Error("Permission denied");
  const asked = whatFollows("incoming", () => Promise.resolve(undefined), () => {
    throw error;
  });
  await assert.rejects(asked, error);
});

Deno.test("an unreadable part that DEFAULT stands for is a stranger's; in the file's own name it is not", {
  permissions: "none",
}, async () => {
  const more = `${HOOK}\n./Maildir/\n`;
  const env = { EXT: "srs-SRS0=\ufffd", DEFAULT: "SRS0=\ufffd" };
  assert.equal(await behind(env, { ".qmail-srs-default": more }), "more");
  await assert.rejects(behind({ EXT: "\ufffd" }, {}), { kind: "temporary" });
});

Deno.test("only a line behind the hook counts", { permissions: "none" }, async () => {
  for (
    const [text, expected] of [
      [HOOK, "last"],
      [`${HOOK}\n\n# ./Maildir/\n`, "last"],
      [`${HOOK}\n \t\n`, "last"],
      [`./Maildir/\n${HOOK}\n`, "last"],
      [`${HOOK}\n./incoming/\n`, "more"],
      [`${HOOK}\n&incoming@example.org\n`, "more"],
      ["./incoming/\n", "unknown"],
      [`${HOOK} --as qmail\n&greg@example.org\n`, "more"],
      [`${HOOK}\n|preline procmail\n`, "more"],
      [`${HOOK}\n${HOOK}\n./Maildir/\n`, "more"],
      ["./Maildir/\n", "unknown"],
      ["", "unknown"],
      // Not deliveries: qmail-local reads +list as a flag.
      [`${HOOK}\n+list\n`, "last"],
      // A name that only holds the hook's is another program's.
      ["|~/bin/check\n", "unknown"],
      ["|~/bin/check-incoming\n", "unknown"],
      ["|~/bin/incoming-check\n", "unknown"],
      ["|/opt/incoming/check\n", "unknown"],
      ["| vdelivermail '' bounce-no-mailbox\n", "unknown"],
      [`|~/bin/check\n${HOOK}\n`, "last"],
      [`${HOOK}\n|~/bin/check\n`, "more"],
      // Ways to call it.
      ["|incoming\n", "last"],
      ["| hooks/incoming --as qmail\n", "last"],
      ["|'/opt/my hooks/incoming'\n", "last"],
      ['|exec "$HOME/hooks/incoming"\n', "last"],
      ["|umask 077; /opt/hooks/incoming\n", "last"],
      ["|envdir ./env /opt/hooks/incoming --config c.toml\n", "last"],
      ["|/opt/hooks/incoming 2>&1\n", "last"],
      ["|/opt/hooks/incoming || exit 75\n", "last"],
      // A shell that goes on after it is a wrapper.
      ["|/opt/hooks/incoming && /usr/bin/safecat Maildir/tmp Maildir/new\n", "unknown"],
      ["|if /opt/hooks/incoming; then exec maildrop; fi\n", "unknown"],
      ["|sh -c '/opt/hooks/incoming && exec maildrop'\n", "unknown"],
    ] as const
  ) {
    assert.equal(await behind({ EXT: "" }, { ".qmail": text }), expected, text);
  }
});
