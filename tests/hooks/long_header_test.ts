import assert from "node:assert/strict";
import { MAX_HEADER_BYTES } from "../../io/system/input.ts";
import { fieldOf, Home, oneLine } from "../rig.ts";

const LONG = "Subject: x\n" + "X-Filler: 0123456789\n".repeat(MAX_HEADER_BYTES / 20);
const ONE_LINE = `X-Filler: ${"y".repeat(MAX_HEADER_BYTES + 10)}\n`;

Deno.test("the shim rejects a header over the limit and sends nothing", async () => {
  using home = new Home();
  for (const head of [LONG, ONE_LINE]) {
    oneLine(await home.shim(["a@b.example"], `From: greg@example.org\n${head}\nbody\n`), 65, /header is longer than/);
  }
  assert.deepEqual(home.mails("out"), []);
});

Deno.test("the hook passes a header over the limit through: the part beyond it counts as body", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/Maildir`);
  const env = { SENDER: "", RECIPIENT: "greg@example.org" };
  for (const head of [LONG, ONE_LINE]) {
    const mail = `From: jo@b.example\n${head}\nthe body\n`;
    const filtered = await home.hook(["--as", "filter"], mail, env);
    assert.equal(filtered.code, 0, filtered.stderr);
    assert.equal(filtered.stdout.replace(/^X-Countersign: [^\n]*\n/, ""), mail, "nothing changes but the added field");
  }
  const delivered = await home.hook(["--maildir", `${home.path}/Maildir`], LONG + "\nbody\n", {
    ...env,
    HOST: "example.org",
  });
  assert.equal(delivered.code, 99, delivered.stderr);
  assert.equal(fieldOf(home.mails("Maildir")[0]!, "Subject"), "x");
});
