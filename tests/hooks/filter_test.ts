/** `--as filter`: a message in, the same message out with one result field of ours, whatever is wrong. */
import assert from "node:assert/strict";
import { FORGED, FORGED_SRS, ORDINARY } from "../programs/letters.ts";
import { Home } from "../rig.ts";
import { signed } from "../stub.ts";

const TODAY = `since = "${new Date().toISOString().slice(0, 10)}"`;
const MAILDIR = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;
const PLAIN = "greg@example.org";

/** What went in as a header, what comes out, in lines. */
const head = (mail: string) => mail.split("\n\n")[0]!.split("\n");
const ours = (mail: string) => head(mail).filter((line) => /^X-Countersign[ \t]*:/i.test(line));

/** Runs the filter; the message must come through with status 0. */
async function filtered(home: Home, mail: string, env: Record<string, string>, said = /^$/): Promise<string> {
  const ran = await home.hook(["--as", "filter"], mail, env);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, said);
  assert.ok(ran.stderr.split("\n").length <= 2, "one line at most");
  return ran.stdout;
}

// What a stranger may have written, hoping that a filter goes by it. The last one is folded.
const LIES = [
  "X-Countersign: genuine; check=proof; reason=trust me",
  "x-countersign: genuine",
  "X-COUNTERSIGN : other",
  "X-Countersign:\n\tgenuine;\n check=proof",
];
/** The message with a stranger's fields in front, in the middle and at the end of its header. */
function withLies(mail: string): string {
  const [first, ...rest] = head(mail);
  const lines = [LIES[0], first, LIES[1], ...rest, LIES[2], LIES[3]];
  return lines.join("\n") + mail.slice(mail.indexOf("\n\n"));
}
const crlf = (mail: string) => mail.replaceAll("\n", "\r\n");
const MBOX = "From x@spam.example Fri Nov 20 05:32:58 2026\n>From y@spam.example Thu Nov 19 05:32:58 2026\n";

const shapes: [what: string, shape: (mail: string) => string, front: string, body: (mail: string) => string][] = [
  ["as it is", (mail) => mail, "", (mail) => mail],
  ["with CRLF", crlf, "", crlf],
  ["behind mbox lines", (mail) => MBOX + mail, MBOX, (mail) => mail],
  ["behind mbox lines, with CRLF", (mail) => crlf(MBOX + mail), crlf(MBOX), crlf],
];
const broken: Record<string, (home: Home) => void> = {
  "settings broken": (home) => home.settings("nonsense = ["),
  "settings missing": (home) => Deno.removeSync(`${home.path}/.config/countersign/config.toml`),
  "keys that others can read": (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644),
};

for (const [what, shape, front, body] of shapes) {
  Deno.test(`a stranger's result fields go, one of ours is there: ${what}`, async () => {
    using home = new Home();
    for (
      const [mail, env, result] of [
        [FORGED, { SENDER: "", RECIPIENT: PLAIN }, /^X-Countersign: forged; check=forged; /],
        [FORGED, { SENDER: "", RECIPIENT: signed() }, /^X-Countersign: genuine; check=signed-recipient; /],
        [ORDINARY, { SENDER: "friend@friend.example", RECIPIENT: PLAIN }, /^X-Countersign: other; check=addressed; /],
      ] as const
    ) {
      const out = await filtered(home, shape(withLies(mail)), env);
      assert.ok(out.startsWith(front), "the mbox lines stay in front");
      const rest = out.slice(front.length);
      const [field, ...others] = ours(rest) as [string];
      assert.match(field, result);
      assert.deepEqual(others, []);
      // All else is as it was: the header with LF, the body untouched.
      assert.equal(rest, `${field}\n${head(mail).join("\n")}\n\n${body(mail.slice(mail.indexOf("\n\n") + 2))}`);
    }
  });

  for (const [trouble, breakIt] of Object.entries(broken)) {
    Deno.test(`a stranger's result fields go, none is there with ${trouble}: ${what}`, async () => {
      using home = new Home();
      breakIt(home);
      const env = { SENDER: "", RECIPIENT: PLAIN };
      const said = /^incoming: .*\.config\/countersign\/.*; the message goes through unmarked\n$/;
      const out = await filtered(home, shape(withLies(FORGED)), env, said);
      const rest = `${head(FORGED).join("\n")}\n\n${body(FORGED.slice(FORGED.indexOf("\n\n") + 2))}`;
      assert.equal(out, front + rest);
    });
  }
}

Deno.test("what is only marked is suspect, and what is forged is forged", async () => {
  const rows: [what: string, top: string, incoming: string, recipient: string, result: string][] = [
    ["neither", "", "", PLAIN, "forged"],
    ["in the first days", TODAY, "", PLAIN, "suspect"],
    ["no first days", TODAY, "grace = 0", PLAIN, "forged"],
    ["long ago", 'since = "2020-01-01"', "", PLAIN, "forged"],
    ["forged = mark", "", 'forged = "mark"', PLAIN, "suspect"],
    ["forged = refuse", "", 'forged = "refuse"', PLAIN, "forged"],
    ["an SRS address has no first days", TODAY, "", FORGED_SRS, "forged"],
    ["an SRS address, forged = mark", "", 'forged = "mark"', FORGED_SRS, "suspect"],
    ["an SRS address of 30 days ago", "", "", signed(30), "late"],
    ["an SRS address of 200 days ago", "", "", signed(200), "forged"],
  ];
  for (const [what, top, incoming, recipient, result] of rows) {
    using home = new Home();
    home.settings(`${MAILDIR}[incoming]\n${incoming}\n`, top);
    const out = await filtered(home, FORGED, { SENDER: "", RECIPIENT: recipient });
    assert.deepEqual(ours(out).map((line) => line.split(";")[0]), [`X-Countersign: ${result}`], what);
  }
});

Deno.test("nothing comes in, nothing but the field goes out; a body without a header keeps its lines", async () => {
  using home = new Home();
  const env = { SENDER: "", RECIPIENT: PLAIN };
  assert.match(await filtered(home, "", env), /^X-Countersign: unsolicited; [^\n]*\n\n$/);
  assert.match(
    await filtered(home, "no header\nat all", env),
    /^X-Countersign: unsolicited; [^\n]*\n\nno header\nat all$/,
  );
});
