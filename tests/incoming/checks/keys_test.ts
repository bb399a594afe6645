/** Verdicts on bounces by the age of the keys that could have signed them. */
import assert from "node:assert/strict";
import { decide } from "../../../io/state/lookups.ts";
import { parseAddress } from "../../../lib/address.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { dayOf } from "../../../lib/date.ts";
import type { Identity } from "../../../lib/settings/identity.ts";
import { parseHead } from "../../../lib/message.ts";
import { prvsSign } from "../../../lib/prvs.ts";
import { srsForward } from "../../../lib/srs.ts";
import { signTag } from "../../../lib/tag.ts";
import { SECRET } from "../../rig.ts";
import { randomNonce } from "../../random.ts";

const now = new Date("2026-11-20T12:00:00Z");
const day = (days: number) => new Date(now.getTime() + days * 86_400_000);

/** greg, with keys of these ages in days. */
const greg = (...ages: number[]): Identity => ({
  address: parseAddress("greg@example.org"),
  srsDomain: "srs.example.org",
  keys: ages.toSorted((a, b) => a - b).map((age, nth) => {
    return { id: `k${nth + 1}`, created: dayOf(now) - age, secret: utf8(`${SECRET} ${nth + 1}`) };
  }),
});
const joe: Identity = {
  address: parseAddress("joe@example.net"),
  srsDomain: "srs.example.net",
  keys: [{ id: "j1", created: dayOf(now), secret: utf8(`${SECRET} joe`) }],
};

/** greg's SRS address, signed with this secret at this time. */
const srs = (secret: Uint8Array, when: Date) =>
  srsForward("greg@example.org", "srs.example.org", {
    secrets: [secret],
    hashLength: 8,
    alphabet: "base64url",
    now: when,
  });

const BOUNCE = "From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\nHi. This is the qmail-send program.\n";
const LETTER = "From: jo@b.example\nSubject: Hello\n\nHow are you?\n";
const copy = (tag: string) => `${BOUNCE}\n--- Below\n\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag}\n\nhi\n`;

interface Case {
  identities: Identity[];
  recipient: string;
  mail?: string;
  sender?: string | null;
  incoming?: string;
}

/** The verdict as `action result check`, or the kind of the error. */
async function judged({ identities, recipient, mail = BOUNCE, sender = null, incoming = "" }: Case): Promise<string> {
  const text = `[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "sendmail"\n[prvs]\nreceive = true\n`;
  const settings = parseConfig(`${text}[incoming]\n${incoming}`, { file: "/c", home: "/h" });
  const prefix = utf8(mail);
  const { header, bodyStart } = parseHead(prefix, true)!;
  const delivery = { sender, recipients: [recipient], header, prefix, bodyStart, whole: true };
  try {
    const { verdict, steps } = await decide(delivery, { settings, identities, now });
    assert.equal(steps.at(-1)?.check, verdict.check);
    return `${verdict.action} ${verdict.result} ${verdict.check}`;
  } catch (error) {
    return (error as { kind: string }).kind;
  }
}

const FORGED = {
  srs: "SRS0=aaaaaaaa=AA=example.org=greg@srs.example.org",
  "srs in the plain domain": "greg-srs-SRS0=aaaaaaaa=AA=example.org=greg@example.org",
  prvs: "prvs=1331000000=greg@example.org",
  "prvs as a subaddress": "greg-prvs=1331000000@example.org",
  plain: "greg@example.org",
};

/** [ages of the keys in days, verdict on a bounce that cannot be verified; undefined: forged] */
const ages: [number[], string | undefined][] = [
  [[0], undefined],
  [[719], undefined],
  [[721], undefined],
  [[899], undefined],
  [[900], "deliver unjudged keys"],
  [[901], "deliver unjudged keys"],
  [[901, 2000], "deliver unjudged keys"],
  [[901, 899], undefined],
  [[-1], undefined], // a clock may be a day behind
  [[-2], "temporary"],
  [[-400], "temporary"],
  [[-2, 901], "temporary"],
  [[-2, 899], undefined],
];

for (const [keys, verdict] of ages) {
  Deno.test(
    `a bounce that cannot be verified, with keys ${keys.join(" and ")} days old`,
    { permissions: "none" },
    async () => {
      for (const [what, recipient] of Object.entries(FORGED)) {
        for (const incoming of ["", 'forged = "mark"', 'forged = "refuse"']) {
          const result = await judged({ identities: [joe, greg(...keys)], recipient, incoming });
          if (verdict !== undefined) assert.equal(result, verdict, `${what} ${incoming}`);
          else assert.match(result, /^(?:spam|refuse) forged|^deliver suspect/, `${what} ${incoming}`);
        }
      }
      // Other mail does not depend on greg's keys.
      const identities = [greg(...keys), joe];
      const letter = { identities, recipient: "greg@example.org", mail: LETTER };
      assert.equal(await judged({ ...letter, sender: "jo@b.example" }), "deliver other addressed");
      assert.match(await judged({ identities, recipient: "joe@example.net" }), /^spam forged/);
      assert.match(await judged({ identities, recipient: "SRS0=aaaaaaaa=AA=b.example=jo@srs.example.org" }), /forged/);
    },
  );
}

Deno.test("a signature made before its key stopped signing is accepted as long as the key verifies", {
  permissions: "none",
}, async () => {
  for (const age of [0, 719, 721, 899]) {
    const user = greg(age);
    const { id, secret } = user.keys[0]!;
    const identities = [user];
    const genuine = "deliver genuine signed-recipient";
    assert.equal(await judged({ identities, recipient: srs(secret, now) }), genuine);
    const prvs = prvsSign("greg@example.org", { secret, keyNumber: 1, lifetime: 14, now: day(-14) });
    assert.equal(await judged({ identities, recipient: prvs }), genuine);
    const tag = signTag("greg@example.org", "<1@example.org>", {
      key: id,
      secret,
      now: day(-20),
      nonce: randomNonce(),
    });
    const plain = await judged({ identities, recipient: "greg@example.org", mail: copy(tag) });
    assert.equal(plain, "deliver genuine returned-header");
  }
  // Signed on the last day on which the key signs, returned after a week in a queue.
  const old = greg(727);
  const recipient = srs(old.keys[0]!.secret, day(-8));
  assert.equal(await judged({ identities: [old], recipient }), "deliver genuine signed-recipient");
});

Deno.test("an address signed by a clock ahead of ours is late, not forged", async () => {
  const user = greg(300);
  const { secret } = user.keys[0]!;
  for (const days of [2, 30, 120]) {
    const recipient = srs(secret, day(days));
    assert.equal(await judged({ identities: [user], recipient }), "deliver late signed-recipient", `srs ${days}`);
    // prvs days repeat after 1000 days, and only 99 of them count as future.
    const prvs = prvsSign("greg@example.org", {
      secret,
      keyNumber: 1,
      lifetime: 14,
      now: day(Math.min(days, 99)),
    });
    assert.equal(
      await judged({ identities: [user], recipient: prvs }),
      "deliver late signed-recipient",
      `prvs ${days}`,
    );
  }
});

Deno.test("a prvs address is valid until it expires, then late, and forged 180 days after signing", async () => {
  const user = greg(300);
  const { secret } = user.keys[0]!;
  const verdicts = { genuine: [0, 1, 13, 14], late: [15, 16, 100, 179], forged: [180, 181, 299] };
  for (const [result, list] of Object.entries(verdicts)) {
    for (const days of list) {
      for (const delimiter of ["", "-"]) {
        const signing = { secret, keyNumber: 1, lifetime: 14, delimiter, now: day(-days) };
        const recipient = prvsSign("greg@example.org", signing);
        const verdict = await judged({ identities: [user], recipient });
        assert.equal(verdict.split(" ")[1], result, `${recipient} after ${days} days`);
        assert.equal(verdict.split(" ")[2], "signed-recipient");
      }
    }
  }
});

Deno.test("a tag proves a bounce only to identities of the user who signed", { permissions: "none" }, async () => {
  const tag = signTag("joe@example.net", "<1@example.org>", {
    key: "j1",
    secret: joe.keys[0]!.secret,
    now,
    nonce: randomNonce(),
  });
  /** [user of greg, user of joe, result] */
  const users: [string | undefined, string | undefined, string][] = [
    [undefined, undefined, "deliver genuine returned-header"],
    ["greg", "greg", "deliver genuine returned-header"],
    ["greg", "joe", "spam forged forged"],
    [undefined, "joe", "spam forged forged"],
    ["greg", undefined, "spam forged forged"],
  ];
  for (const [gregs, joes, result] of users) {
    const user = (name: string | undefined) => name === undefined ? {} : { user: name };
    const identities = [{ ...greg(10), ...user(gregs) }, { ...joe, ...user(joes) }];
    const toGreg = { identities, recipient: "greg@example.org", mail: copy(tag) };
    assert.equal(await judged(toGreg), result, `${gregs} ${joes}`);
    assert.equal(await judged({ ...toGreg, recipient: "joe@example.net" }), "deliver genuine returned-header");
  }
});
