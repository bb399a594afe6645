/** The whole hook with mutated bounces: it exits with a status its caller knows, and its memory is bounded. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CALLERS } from "../../incoming/delivery.ts";
import { exitStatus, type Outcome } from "../../hooks/exits.ts";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { bounceOfOurs, SAMPLES } from "../bounces.ts";
import { gregsHome } from "../programs/letters.ts";
import { ROOT } from "../rig.ts";
import { fuzz } from "./fuzz.ts";
import { corpus, mutated, mutations } from "./mutate.ts";

const returning = SAMPLES.filter((name) => /^(?:exim4|postfix|qmail)-remote-550/.test(name));
const mails = [
  ...(await Promise.all(returning.map((name) => bounceOfOurs(name, "greg@example.org", new Date())))).map(({ mail }) =>
    mail
  ),
  ...corpus,
  // Longer than the inspected prefix: in one line, in many lines, in parts, and in the header.
  `Subject: ${"x".repeat(2 ** 20)}\n\n`,
  `From: MAILER-DAEMON@x\n\n${"\n".repeat(2 ** 22)}`,
  `Content-Type: multipart/mixed; boundary="b"\n\n${"--b\nContent-Transfer-Encoding: base64\n\n".repeat(10_000)}`,
  "A: b\n".repeat(2 ** 18),
];
/** Limit of the data segment in KB; Deno itself needs more than half of it. */
const MEMORY = 600_000;
const OUTCOMES: readonly Outcome[] = ["go-on", "filed"];

const cases = fc.tuple(fc.constantFrom(...CALLERS), fc.nat(10_000), fc.nat(10_000), mutations);

fuzz(
  "a hook exits with a status its caller knows, and the message is in exactly one place",
  cases,
  async ([caller, at, beside, all]) => {
    using home = gregsHome();
    const written = mails[at % mails.length]!;
    // Long messages are not mutated, so that they stay longer than the inspected prefix.
    const text = written.length > 300_000 ? written : mutated(written, all, mails[beside % returning.length]!);
    const hook = [`${ROOT}/hooks/incoming`, "--as", caller];
    const limited = ["/bin/sh", "-c", `ulimit -d ${MEMORY} || exit 1; exec "$@"`, "sh", ...hook];
    const ran = await home.run(limited, encodeLatin1(text), { SENDER: "", RECIPIENT: "greg@example.org" });
    const [goOn, done] = OUTCOMES.map((outcome) => exitStatus(caller, outcome, false));
    // A forged message is filed or passed on. Only under Postfix does nothing deliver after the hook, so that it
    // defers.
    const expected = caller === "postfix" ? [done, exitStatus(caller, "defer", false)] : [goOn, done];
    assert.ok(expected.includes(ran.code), `${caller}: ${ran.code} ${ran.stderr}`);
    assert.ok(ran.stderr.split("\n").length <= 2, ran.stderr);
    assert.ok(caller === "postfix" || ran.stderr === "", ran.stderr);
    const spam = [...Deno.readDirSync(`${home.path}/Maildir/.Spam/new`)].map(({ name }) =>
      `${home.path}/Maildir/.Spam/new/${name}`
    );
    const filed = caller !== "filter" && caller !== "condredirect" && ran.code === done;
    assert.equal(spam.length, filed ? 1 : 0);
    if (!filed) return;
    const { bodyStart } = parseHead(encodeLatin1(text), true)!;
    assert.ok(decodeLatin1(Deno.readFileSync(spam[0]!)).endsWith(text.slice(bodyStart)));
  },
  3,
);
