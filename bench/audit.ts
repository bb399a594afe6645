/** How many messages `countersign audit` reads in a second, from page cache; one in a hundred is a bounce. */
import assert from "node:assert/strict";
import { type Home, qsbmf } from "../tests/rig.ts";
import { type BenchHome, few } from "./home.ts";
import { measure } from "./measure.ts";
import type { Table } from "./report.ts";

const MESSAGES = Number(Deno.env.get("BENCH_MESSAGES") ?? 20_000);

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

/** A maildir and an mbox of the same messages. */
function fillBoxes(home: Home): void {
  Deno.mkdirSync(`${home.path}/Maildir/cur`, { recursive: true });
  Deno.mkdirSync(`${home.path}/Maildir/new`);
  using mbox = Deno.openSync(`${home.path}/mbox`, { write: true, create: true });
  for (let n = 0; n < MESSAGES; n++) {
    const mail = n % 100 === 0 ? bounce(n) : ordinary(n);
    Deno.writeTextFileSync(`${home.path}/Maildir/cur/${1_795_000_000 + n}.${n}.mx:2,S`, mail);
    const line = `From ${n % 100 === 0 ? "MAILER-DAEMON" : "jo@b.example"} Fri Nov 20 05:32:58 2026\n`;
    mbox.writeSync(new TextEncoder().encode(`${line}${mail}\n`));
  }
}

/**
 * Measures it as installed and with all permissions: with those of a launcher Deno looks at the path of each file that
 * is opened. The limit for a maildir is what find and head need to read the beginning of each file.
 */
export async function audit(ground: BenchHome): Promise<Table[]> {
  fillBoxes(ground);
  const installed = [`${await ground.installed()}/bin/countersign`];
  const all = [Deno.execPath(), "run", "-q", "-A", `${await ground.bundled()}/main.js`, "countersign"];
  const of = (name: string, program: string[], box: string) =>
    ground.subject(name, [...program, "audit", "--json", `${ground.path}/${box}`], "/dev/null");
  const head = ["find", `${ground.path}/Maildir`, "-type", "f", "-exec", "head", "-q", "-c", "4096", "{}", "+"];
  const subjects = [
    ground.subject("find and head, maildir", head, "/dev/null"),
    of("audit, maildir, installed", installed, "Maildir"),
    of("audit, maildir, all permissions", all, "Maildir"),
    of("audit, mbox, installed", installed, "mbox"),
    of("audit, mbox, all permissions", all, "mbox"),
  ];
  for (const { argv, env } of subjects.slice(1)) {
    const ran = await ground.run([...argv], "", env);
    assert.equal(ran.code, 0, ran.stderr);
    const { messages, results } = JSON.parse(ran.stdout);
    assert.deepEqual([messages, results.forged], [MESSAGES, Math.ceil(MESSAGES / 100)]);
  }
  const rows = (await measure(subjects, few(6))).map(({ name, ms }) => ({
    name,
    rate: Math.round(MESSAGES / ms * 1000),
  }));
  return [{ title: "audit, messages", rows }];
}
