/**
 * A wrong clock: a message is sent whole, either signed or remembered as unsigned; only addresses whose signature is
 * current are accepted, also when SRS timestamps wrap around; and no bounce is filed because a key is missing.
 */
import assert from "node:assert/strict";
import { decide } from "../../io/state/lookups.ts";
import { formatAddress, parseAddress } from "../../lib/address.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { dayOf } from "../../lib/date.ts";
import type { Fail } from "../../lib/fail.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { KEY_LIFETIME_DAYS } from "../../lib/settings/keys.ts";
import { parseHead } from "../../lib/message.ts";
import { STAMP_CYCLE } from "../../lib/srs.ts";
import { plan } from "../../outgoing/plan.ts";
import { need } from "../programs/need.ts";
import { qsbmf, ROOT, SECRET } from "../rig.ts";
import type { Job } from "./driver.ts";
import { BODY, CONFIG, FaultHome, isTagged, KEYS, letter, STATE } from "./home.ts";
import { randomBytes } from "../random.ts";

const DAY = 86_400_000;
const settings = parseConfig(
  `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n[transport]\npreset = "sendmail"\n`,
  { file: "/c", home: "/h" },
);
const { max_age, skew } = settings.srs;

/** greg with a key created on this day. */
const identity = (created: number): Identity => ({
  address: parseAddress("greg@example.org"),
  srsDomain: "srs.example.org",
  keys: [{ id: "k1", created, secret: new TextEncoder().encode(SECRET) }],
});

/** The envelope sender of a message that is sent at this time. */
function senderAt(now: Date, key: Identity): string {
  const { header } = parseHead(new TextEncoder().encode(letter("ann@example.net")), true)!;
  const call = {
    sender: undefined,
    fullName: "",
    recipientsFrom: "arguments",
    recipients: [parseAddress("ann@example.net")],
    dsn: {},
  } as const;
  const { envelope, scheme } = plan(call, header, { settings, identities: [key], now, random: randomBytes() });
  assert.equal(scheme, "srs");
  return formatAddress(envelope.sender!);
}

/** The result of a bounce to this address at this time. */
async function resultAt(recipient: string, now: Date, key: Identity): Promise<string> {
  const prefix = new TextEncoder().encode("From: MAILER-DAEMON@example.net\nSubject: failure\n\nno\n");
  const { header, bodyStart } = parseHead(prefix, true)!;
  const delivery = { sender: null, recipients: [recipient], header, prefix, bodyStart, whole: true };
  const context = {
    settings,
    identities: [key],
    now,
    ledger: { find: () => Promise.resolve([]) },
    sent: () => Promise.resolve(undefined),
  };
  try {
    return (await decide(delivery, context)).verdict.result;
  } catch (error) {
    assert.equal((error as Fail).kind, "temporary");
    return "deferred";
  }
}

Deno.test("the clock changes between a message and its bounce", async () => {
  const signed = new Date("2026-11-20T12:00:00Z");
  const key = identity(dayOf(signed));
  const address = senderAt(signed, key);
  const resultAfter = (days: number) => resultAt(address, new Date(signed.getTime() + days * DAY), key);
  // The key is first dated in the future, then valid, then too old. Timestamps wrap after 1024 days, when no key is
  // valid any more.
  const expected = (days: number) => {
    if (days < -1) return "deferred";
    if (days <= max_age) return days < 0 && skew === 0 ? "late" : "genuine";
    return days < 180 ? "late" : days < KEY_LIFETIME_DAYS ? "forged" : "unjudged";
  };
  for (let days = -2 * STAMP_CYCLE - 30; days <= 3 * STAMP_CYCLE + 30; days++) {
    assert.equal(await resultAfter(days), expected(days), `day ${days}`);
  }
  assert.ok(KEY_LIFETIME_DAYS < STAMP_CYCLE);
});

Deno.test("signing works at times where other clocks overflow", async () => {
  for (const time of ["2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z", "2100-03-01T00:00:00Z", "1971-01-01T00:00:00Z"]) {
    const now = new Date(time);
    const key = identity(dayOf(now));
    const address = senderAt(now, key);
    assert.equal(await resultAt(address, now, key), "genuine", time);
    assert.equal(await resultAt(address, new Date(now.getTime() + max_age * DAY), key), "genuine", time);
    assert.equal(await resultAt(address, new Date(now.getTime() + STAMP_CYCLE * DAY), key), "unjudged", time);
  }
});

Deno.test("the clock jumps at any step of the shim: the message is sent whole and once", async () => {
  using home = new FaultHome();
  const now = Date.now();
  const clocks: Record<string, number> = {
    "a day back": now - DAY,
    "a year back": now - 365 * DAY,
    "1970": 0,
    "2038": Date.UTC(2038, 0, 19, 3, 14, 8),
    "after timestamps wrap around": now + (STAMP_CYCLE + 1) * DAY,
  };
  const files = {
    [CONFIG]: home.config("", `[challenge]\nanswer = true\nlists = ["*@example.net"]\n`),
    [KEYS]: home.keys,
  };
  const job = (name: string): Job => ({ program: "shim", args: [name], input: letter(name), files });
  const { results: [undisturbed] } = await home.drive([job("first@example.net")]);
  const jobs: Job[] = [];
  const labels: string[] = [];
  for (const [what, clock] of Object.entries(clocks)) {
    for (let step = 0; step < undisturbed!.steps.length; step += 3) {
      jobs.push({ ...job(`c${jobs.length}@example.net`), clock, fault: [step, "disk"] });
      labels.push(`${what}, from step ${step}, ${undisturbed!.steps[step]}`);
    }
  }
  const { results } = await home.drive(jobs);
  assert.equal(results.length, jobs.length);
  // Where no key can sign, the message is sent unsigned.
  for (const [at, { status }] of results.entries()) {
    const taken = home.taken(`c${at}@example.net`);
    assert.deepEqual([status, taken.length], [0, 1], labels[at]);
    assert.ok(taken[0]!.endsWith(`\n\n${BODY}`), labels[at]);
    if (labels[at]!.startsWith("a day back")) assert.ok(isTagged(taken[0]!), labels[at]);
  }
});

(await need("faketime"))(
  "with faketime the shim sends each message whole and once, signed if a key can sign",
  async () => {
    using home = new FaultHome();
    home.write(CONFIG, home.config());
    const now = Date.now();
    const rows: [number, boolean][] = [
      [now, true],
      [now - DAY, true],
      [now - 365 * DAY, false], // before the key was created
      [DAY, false],
      [Date.UTC(2038, 0, 19, 3, 14, 8), false], // the key is too old
      [now + (STAMP_CYCLE + 1) * DAY, false],
    ];
    for (const [at, [time, signed]] of rows.entries()) {
      const to = `f${at}@example.net`;
      const date = new Date(time).toISOString().slice(0, 19).replace("T", " ");
      // Without the launcher, which removes LD_PRELOAD from the environment.
      const deno = ["deno", "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/shim/main.ts`];
      const { code, stderr } = await home.run(["/usr/bin/faketime", date, ...deno, "shim", to], letter(to));
      assert.equal(code, 0, `${date}: ${stderr}`);
      const [mail = "", ...more] = home.taken(to);
      assert.deepEqual([mail.endsWith(`\n\n${BODY}`), isTagged(mail), more], [true, signed, []], date);
      const log = home.read(`${STATE}/log`).trimEnd().split("\n").at(-1)!;
      assert.equal(/ scheme=plain .* error="No key of greg@example\.org can sign: /.test(log), !signed, log);
    }
  },
);

(await need("faketime"))("with faketime a bounce is never filed because no key is valid", async () => {
  using home = new FaultHome();
  const inbox = `[incoming]\ninbox = "~/Maildir"\nspam = "~/Maildir/.Spam"\n`;
  home.write(CONFIG, home.config("", inbox));
  const to = "late@example.net";
  const deno = ["deno", "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
  assert.equal((await home.run([...deno, `${ROOT}/shim/main.ts`, "shim", to], letter(to))).code, 0);
  const [mail = ""] = home.taken(to);
  const unsigned = mail.replace(/^X-Msgauth: .*\n/m, "").replace(/^Message-ID: .*$/m, "Message-ID: <no@example.org>");
  const now = Date.now();
  /** [clock, message, status, result] */
  const rows: [number, string, number, string][] = [
    [now, mail, 99, "genuine"],
    [now, unsigned, 99, "forged"],
    [now - 365 * DAY, mail, 75, ""], // the key is dated in the future: the message is deferred
    [now - 365 * DAY, unsigned, 75, ""],
    [DAY, mail, 75, ""],
    [now + 801 * DAY, mail, 99, "unjudged"], // the key is too old
    [Date.UTC(2038, 0, 19, 3, 14, 8), unsigned, 99, "unjudged"],
  ];
  for (const [time, original, status, result] of rows) {
    const date = new Date(time).toISOString().slice(0, 19).replace("T", " ");
    const before = home.read(`${STATE}/log`);
    const argv = ["/usr/bin/faketime", date, ...deno, `${ROOT}/hooks/incoming.ts`, "incoming"];
    const args = ["--sender", "", "--recipient", "greg@example.org", "--maildir", `${home.path}/Maildir`];
    const env = { SENDER: "", RECIPIENT: "greg@example.org" };
    const { code, stderr } = await home.run([...argv, ...args], qsbmf("greg@example.org", original), env);
    assert.equal(code, status, `${date}: ${stderr}`);
    const log = home.read(`${STATE}/log`).slice(before.length);
    assert.equal(/ result=(\w+)/.exec(log)?.[1] ?? "", result, `${date}: ${log}`);
  }
  assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], [3, 1]);
});
