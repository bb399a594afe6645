/**
 * How many messages `countersign audit` reads in a second, from page cache: `deno run -A bench/audit.ts`.
 * A maildir and an mbox of the same messages, one in a hundred a bounce; the best and the median of the runs. With
 * the permissions that launchers give, Deno looks at the path of each file that is opened, and that can be seen.
 */
import { Home, qsbmf, ROOT } from "../tests/rig.ts";

const MESSAGES = Number(Deno.env.get("BENCH_MESSAGES") ?? 20_000);
const TIMES = Number(Deno.env.get("BENCH_TIMES") ?? 7);

using home = new Home();

/** As it lies in a maildir behind an MTA: some 1.5 KB of header, 2 KB of text. */
function ordinary(n: number): string {
  const day = `${n % 28 + 1} ${["Sep", "Oct", "Nov"][n % 3]} 2026 05:32:58 +0000`;
  const received = (host: string) =>
    `Received: from ${host} (${host} [192.0.2.1])\n\tby mx.example.org (Postfix) with ESMTPS id ${n}\n\tfor <greg@example.org>; Fri, ${day}\n`;
  const fields = ["Delivered-To", "X-Original-To"].map((name) => `${name}: greg@example.org\n`).join("");
  return `Return-Path: <jo${n}@b.example>\n${fields}${received("a.example")}${received("b.example")}` +
    `DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=x;\n\tbh=${"A".repeat(43)}=;\n\tb=${"B".repeat(340)}\n` +
    `From: Jo <jo${n}@b.example>\nTo: greg@example.org\nSubject: ${n}\nDate: Fri, ${day}\nMessage-ID: <${n}@b.example>\n` +
    `MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nX-Spam-Status: No, score=-0.1\n\n${
      `${"x".repeat(70)}\n`.repeat(28)
    }`;
}

function bounce(n: number): string {
  const returned = `From: greg@example.org\nMessage-ID: <sent${n}@example.org>\n\nx\n`;
  return `Return-Path: <>\nDelivered-To: greg@example.org\n${qsbmf("greg@example.org", returned)}`;
}

Deno.mkdirSync(`${home.path}/Maildir/cur`, { recursive: true });
Deno.mkdirSync(`${home.path}/Maildir/new`);
using mbox = Deno.openSync(`${home.path}/mbox`, { write: true, create: true });
for (let n = 0; n < MESSAGES; n++) {
  const mail = n % 100 === 0 ? bounce(n) : ordinary(n);
  Deno.writeTextFileSync(`${home.path}/Maildir/cur/${1_795_000_000 + n}.${n}.mx:2,S`, mail);
  const line = `From ${n % 100 === 0 ? "MAILER-DAEMON" : "jo@b.example"} Fri Nov 20 05:32:58 2026\n`;
  mbox.writeSync(new TextEncoder().encode(`${line}${mail}\n`));
}
home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);

const PERMISSIONS: [string, string[]][] = [
  ["all", ["-A"]],
  ["launcher's", ["--no-prompt", "--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-sys=uid"]],
];

for (
  const [box, [granted, flags]] of ["Maildir", "mbox"].flatMap((box) => PERMISSIONS.map((one) => [box, one] as const))
) {
  const rates: number[] = [];
  for (let run = 0; run <= TIMES; run++) {
    const command = ["run", "-q", ...flags, "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`, "countersign"];
    const ran = await home.run([Deno.execPath(), ...command, "audit", "--json", `${home.path}/${box}`]);
    if (ran.code !== 0) throw new Error(ran.stderr);
    const { messages, rate, kinds } = JSON.parse(ran.stdout);
    if (messages !== MESSAGES || kinds.forged !== Math.ceil(MESSAGES / 100)) throw new Error(ran.stdout);
    if (run > 0) rates.push(rate); // the first brings it into the cache
  }
  rates.sort((a, b) => a - b);
  const [best, median] = [rates.at(-1), rates[TIMES >> 1]];
  console.log(`${box}, ${granted} permissions: best ${best}, median ${median} messages/s (${MESSAGES} messages)`);
}
