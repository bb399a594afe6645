/** `--as filter`: copies the message to standard output with exactly one result field, or without any on errors. */
import assert from "node:assert/strict";
import { FORGED, FORGED_SRS, ORDINARY } from "../programs/letters.ts";
import { Home } from "../rig.ts";
import { signed } from "../stub.ts";

const TODAY = `since = "${new Date().toISOString().slice(0, 10)}"`;
const MAILDIR = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
const PLAIN = "greg@example.org";

/** The lines of the header. */
const head = (mail: string) => mail.split("\n\n")[0]!.split("\n");
const resultFields = (mail: string) => head(mail).filter((line) => /^X-Countersign[ \t]*:/i.test(line));

/** Runs the filter, which must exit 0, and returns its output. */
async function filtered(home: Home, mail: string, env: Record<string, string>, expectedError = /^$/): Promise<string> {
  const ran = await home.hook(["--as", "filter"], mail, env);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, expectedError);
  assert.ok(ran.stderr.split("\n").length <= 2, "one line at most");
  return ran.stdout;
}

// Result fields that a stranger added, hoping that a mail filter trusts them. The last one is folded.
const FORGED_FIELDS = [
  "X-Countersign: genuine; check=proof; reason=trust me",
  "x-countersign: genuine",
  "X-COUNTERSIGN : other",
  "X-Countersign:\n\tgenuine;\n check=proof",
];
/** The message with forged result fields at the start, in the middle and at the end of its header. */
function withForgedFields(mail: string): string {
  const [first, ...rest] = head(mail);
  const lines = [FORGED_FIELDS[0], first, FORGED_FIELDS[1], ...rest, FORGED_FIELDS[2], FORGED_FIELDS[3]];
  return lines.join("\n") + mail.slice(mail.indexOf("\n\n"));
}
const crlf = (mail: string) => mail.replaceAll("\n", "\r\n");
const MBOX = "From x@spam.example Fri Nov 20 05:32:58 2026\n>From y@spam.example Thu Nov 19 05:32:58 2026\n";

const variants: [
  what: string,
  variant: (mail: string) => string,
  mboxLines: string,
  body: (mail: string) => string,
][] = [
  ["unchanged", (mail) => mail, "", (mail) => mail],
  ["with CRLF", crlf, "", crlf],
  ["after mbox lines", (mail) => MBOX + mail, MBOX, (mail) => mail],
  ["after mbox lines, with CRLF", (mail) => crlf(MBOX + mail), crlf(MBOX), crlf],
];
const broken: Record<string, (home: Home) => void> = {
  "invalid settings": (home) => home.settings("nonsense = ["),
  "missing settings": (home) => Deno.removeSync(`${home.path}/.config/countersign/config.toml`),
  "a key file that others can read": (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644),
};

for (const [what, variant, mboxLines, body] of variants) {
  Deno.test(`forged result fields are removed and one genuine field is added: ${what}`, async () => {
    using home = new Home();
    for (
      const [mail, env, result] of [
        [FORGED, { SENDER: "", RECIPIENT: PLAIN }, /^X-Countersign: forged; check=forged; /],
        [FORGED, { SENDER: "", RECIPIENT: signed() }, /^X-Countersign: genuine; check=signed-recipient; /],
        [ORDINARY, { SENDER: "friend@friend.example", RECIPIENT: PLAIN }, /^X-Countersign: other; check=addressed; /],
      ] as const
    ) {
      const out = await filtered(home, variant(withForgedFields(mail)), env);
      assert.ok(out.startsWith(mboxLines), "the mbox lines stay first");
      const rest = out.slice(mboxLines.length);
      const [field, ...others] = resultFields(rest) as [string];
      assert.match(field, result);
      assert.deepEqual(others, []);
      // Nothing else changes, except that the header has LF.
      assert.equal(rest, `${field}\n${head(mail).join("\n")}\n\n${body(mail.slice(mail.indexOf("\n\n") + 2))}`);
    }
  });

  for (const [problem, breakIt] of Object.entries(broken)) {
    Deno.test(`forged result fields are removed and none is added with ${problem}: ${what}`, async () => {
      using home = new Home();
      breakIt(home);
      const env = { SENDER: "", RECIPIENT: PLAIN };
      const expectedError = /^incoming: .*\.config\/countersign\/.*; the message goes through unmarked\n$/;
      const out = await filtered(home, variant(withForgedFields(FORGED)), env, expectedError);
      const rest = `${head(FORGED).join("\n")}\n\n${body(FORGED.slice(FORGED.indexOf("\n\n") + 2))}`;
      assert.equal(out, mboxLines + rest);
    });
  }
}

Deno.test("forged bounces are suspect where they are only marked, else forged", async () => {
  const rows: [what: string, top: string, incoming: string, recipient: string, result: string][] = [
    ["default settings", "", "", PLAIN, "forged"],
    ["during the grace period", TODAY, "", PLAIN, "suspect"],
    ["no grace period", TODAY, "grace = 0", PLAIN, "forged"],
    ["after the grace period", 'since = "2020-01-01"', "", PLAIN, "forged"],
    ["forged = mark", "", 'forged = "mark"', PLAIN, "suspect"],
    ["forged = refuse", "", 'forged = "refuse"', PLAIN, "forged"],
    ["an SRS address has no grace period", TODAY, "", FORGED_SRS, "forged"],
    ["an SRS address, forged = mark", "", 'forged = "mark"', FORGED_SRS, "suspect"],
    ["an SRS address signed 30 days ago", "", "", signed(30), "late"],
    ["an SRS address signed 200 days ago", "", "", signed(200), "forged"],
  ];
  for (const [what, top, incoming, recipient, result] of rows) {
    using home = new Home();
    home.settings(`${MAILDIR}[incoming]\n${incoming}\n`, top);
    const out = await filtered(home, FORGED, { SENDER: "", RECIPIENT: recipient });
    assert.deepEqual(resultFields(out).map((line) => line.split(";")[0]), [`X-Countersign: ${result}`], what);
  }
});

Deno.test("empty input becomes the result field alone; a body without a header is kept", async () => {
  using home = new Home();
  const env = { SENDER: "", RECIPIENT: PLAIN };
  assert.match(await filtered(home, "", env), /^X-Countersign: unsolicited; [^\n]*\n\n$/);
  assert.match(
    await filtered(home, "no header\nat all", env),
    /^X-Countersign: unsolicited; [^\n]*\n\nno header\nat all$/,
  );
});
