import assert from "node:assert/strict";
import { signOfBounce } from "../../hooks/signs.ts";
import { parseHead } from "../../lib/message.ts";
import { SAMPLES } from "../bounces.ts";
import { ROOT } from "../rig.ts";

function sign(mail: string | Uint8Array): string | undefined {
  const prefix = typeof mail === "string" ? new TextEncoder().encode(mail) : mail;
  return signOfBounce({ prefix, ...parseHead(prefix, true)! });
}

Deno.test("every real bounce shows a sign", () => {
  for (const name of SAMPLES) {
    assert.notEqual(sign(Deno.readFileSync(`${ROOT}/tests/samples/bounces/${name}`)), undefined, name);
  }
});

Deno.test("what comes from the null sender and is no bounce shows none", () => {
  const good = [
    "From: Jo <jo@b.example>\nSubject: Out of office: Lunch?\nAuto-Submitted: auto-replied\n\nI am away.\n",
    "From: jo@b.example\nSubject: Read: Lunch?\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n",
    "From: jo@b.example\nSubject: Accepted: Lunch\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n",
    "From: fbl@b.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n",
    "From: jo@b.example\nSubject: Hello\n\nHi. This is me, not a program.\n",
    "From: jo@@b.example, <\nSubject: Hello\n\nThat From is none.\n",
  ];
  for (const mail of good) assert.equal(sign(mail), undefined, mail);
});

Deno.test("each sign alone is enough", () => {
  const bad = {
    "multipart/report": "From: x@y.example\nContent-Type: multipart/report; report-type=delivery-status\n\n",
    "X-Failed-Recipients": "From: x@y.example\nX-Failed-Recipients: a@b.example\n\n",
    "a daemon's From": "From: Mail Delivery Subsystem <x@y.example>\n\n",
    "the Subject of a bounce": "From: x@y.example\nSubject: failure notice\n\n",
    QSBMF: "From: x@y.example\n\nHi. This is the qmail-send program at y.example.\n",
    "message/delivery-status":
      "From: x@y.example\nContent-Type: multipart/mixed\n\n--b\nContent-Type: message/delivery-status\n",
  };
  for (const [expected, mail] of Object.entries(bad)) assert.equal(sign(mail), expected);
});

const corpus = `${ROOT}/../shared/corpus`;
const index = (() => {
  try {
    return JSON.parse(Deno.readTextFileSync(`${corpus}/index.json`));
  } catch {
    return undefined;
  }
})();

Deno.test({
  name: "bounces of other projects show a sign, answers from the null sender none",
  ignore: index === undefined,
  fn: () => {
    const wrong: string[] = [];
    for (const { file, is_bounce, null_sender } of index) {
      const found = sign(Deno.readFileSync(`${corpus}/${file}`));
      if (is_bounce && found === undefined) wrong.push(`${file}: no sign`);
      if (!is_bounce && null_sender && found !== undefined) wrong.push(`${file}: ${found}`);
    }
    assert.deepEqual(wrong, []);
  },
});
