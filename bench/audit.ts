/** How many messages per second `countersign audit` reads from the page cache. One in a hundred is a bounce. */
import assert from "node:assert/strict";
import type { Home } from "../build/rig/home.ts";
import { qsbmf } from "../build/rig/mails.ts";
import { type BenchHome, fewer } from "./home.ts";
import { measure } from "./measure.ts";
import type { Table } from "./report.ts";

const MESSAGES = Number(Deno.env.get("BENCH_MESSAGES") ?? 20_000);

/** A message as an MTA delivers it to a maildir: about 1.5 KB of header and 2 KB of text. */
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
  Deno.mkdirSync(`${home.path}/archive/cur`, { recursive: true });
  Deno.mkdirSync(`${home.path}/archive/new`);
  using mbox = Deno.openSync(`${home.path}/mbox`, { write: true, create: true });
  for (let n = 0; n < MESSAGES; n++) {
    const mail = n % 100 === 0 ? bounce(n) : ordinary(n);
    Deno.writeTextFileSync(`${home.path}/archive/cur/${1_795_000_000 + n}.${n}.mx:2,S`, mail);
    const line = `From ${n % 100 === 0 ? "MAILER-DAEMON" : "jo@b.example"} Fri Nov 20 05:32:58 2026\n`;
    mbox.writeSync(new TextEncoder().encode(`${line}${mail}\n`));
  }
}

/**
 * Measures audit as installed and with all permissions: with the permissions of a launcher, Deno checks the path of
 * each file that it opens. For a maildir the reference is find and head, which read the beginning of each file.
 */
export async function audit(home: BenchHome): Promise<Table[]> {
  fillBoxes(home);
  const installed = [`${await home.installed()}/bin/countersign`];
  const all = [Deno.execPath(), "run", "-q", "-A", `${await home.bundled()}/main.js`, "countersign"];
  const subject = (name: string, program: string[], box: string) =>
    home.subject(name, [...program, "audit", "--json", `${home.path}/${box}`], "/dev/null");
  const head = ["find", `${home.path}/archive`, "-type", "f", "-exec", "head", "-q", "-c", "4096", "{}", "+"];
  const subjects = [
    home.subject("find and head, maildir", head, "/dev/null"),
    subject("audit, maildir, installed", installed, "archive"),
    subject("audit, maildir, all permissions", all, "archive"),
    subject("audit, mbox, installed", installed, "mbox"),
    subject("audit, mbox, all permissions", all, "mbox"),
  ];
  for (const { argv, env } of subjects.slice(1)) {
    const ran = await home.run([...argv], "", env);
    assert.equal(ran.code, 0, ran.stderr);
    const { messages, results } = JSON.parse(ran.stdout);
    assert.deepEqual([messages, results.forged], [MESSAGES, Math.ceil(MESSAGES / 100)]);
  }
  const rows = (await measure(subjects, fewer(6))).map(({ name, ms }) => ({
    name,
    rate: Math.round(MESSAGES / ms * 1000),
  }));
  return [{ title: "audit, messages", rows }];
}
