import assert from "node:assert/strict";
import { MAX_HEADER_BYTES } from "../../io/system/input.ts";
import { fieldOf, Home, oneLine } from "../rig.ts";

const LONG = "Subject: x\n" + "X-Filler: 0123456789\n".repeat(MAX_HEADER_BYTES / 20);
const ONE_LINE = `X-Filler: ${"y".repeat(MAX_HEADER_BYTES + 10)}\n`;

Deno.test("a header over the limit is an error going out, and nothing is sent", async () => {
  using home = new Home();
  for (const head of [LONG, ONE_LINE]) {
    oneLine(await home.shim(["a@b.example"], `From: greg@example.org\n${head}\nbody\n`), 65, /header is longer than/);
  }
  assert.deepEqual(home.mails("out"), []);
});

Deno.test("coming in it goes through whole: what is over the limit belongs to the body", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/Maildir`);
  const env = { SENDER: "", RECIPIENT: "greg@example.org" };
  for (const head of [LONG, ONE_LINE]) {
    const mail = `From: jo@b.example\n${head}\nthe body\n`;
    const out = await home.hook(["--as", "filter"], mail, env);
    assert.equal(out.code, 0, out.stderr);
    assert.equal(out.stdout.replace(/^X-Countersign: [^\n]*\n/, ""), mail, "one field more, and nothing else");
  }
  const kept = await home.hook(["--maildir", `${home.path}/Maildir`], LONG + "\nbody\n", {
    ...env,
    HOST: "example.org",
  });
  assert.equal(kept.code, 99, kept.stderr);
  assert.equal(fieldOf(home.mails("Maildir")[0]!, "Subject"), "x");
});
