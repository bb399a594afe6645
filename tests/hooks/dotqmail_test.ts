import assert from "node:assert/strict";
import { type Behind, whatIsBehind } from "../../hooks/dotqmail.ts";

async function behind(env: Record<string, string>, files: Record<string, string>): Promise<Behind> {
  return await whatIsBehind("incoming", (name) => Promise.resolve(env[name]), (path) => files[path]);
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
  for (const ext of ["../x", "a/b"]) {
    const file = `.qmail-${ext.replaceAll(".", ":")}`;
    assert.equal(await behind({ EXT: ext }, { [file]: more }), "unknown", "no path out of the home");
  }
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
    ] as const
  ) {
    assert.equal(await behind({ EXT: "" }, { ".qmail": text }), expected, text);
  }
});
