/** The cost of one message as state, settings or log grow, or a stranger's header. */
import { dayOf } from "../lib/date.ts";
import { LEDGER_DAYS, listDigest } from "../lib/entry.ts";
import { logLine } from "../lib/log.ts";
import { type BenchHome, fewer } from "./home.ts";
import { FILED, QMAIL } from "./in.ts";
import { measure, type Subject } from "./measure.ts";
import { forged, genuine, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";
import { fillSent } from "./sent.ts";

const LIST = "list@lists.example.org";
/** Settings with which messages to the list are remembered. */
const CHALLENGE_SETTINGS = `[challenge]\nanswer = true\nlists = ["${LIST}"]\n`;
const thousands = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

/** Measures each curve; the ratios are relative to its smallest point. */
export async function growth(home: BenchHome): Promise<Table[]> {
  const dist = await home.bundled();
  const hook = home.deno(`${dist}/hooks/incoming.js`, "incoming");
  const shim = (to: string) => home.deno(`${dist}/shim/main.js`, "shim", "--", to);
  const countersign = [Deno.execPath(), "run", "-q", "-A", `${dist}/main.js`, "countersign"];
  const mail = home.write("mail", `From: greg@example.org\nTo: ${LIST}\n\nHi.\n`);
  const bounce = genuine(home, SIZES["2 KB"]);
  const tables: Table[] = [];
  const curve = async (title: string, subjects: Subject[]) => {
    tables.push({ title: `growth, ${title}`, rows: await measure(subjects, fewer(4)) });
  };
  /** The environment with these settings and variables. */
  const withSettings = (name: string, text: string, more: Record<string, string> = {}) => ({
    env: home.variables({ COUNTERSIGN_CONFIG: configure(home, name, text), ...more }),
  });

  const index = [1_000, 10_000, 100_000, 1_000_000];
  await curve(
    "remembered messages: a reply that refers to 20 unknown ones",
    index.map((count) => {
      const state = home.folder(`sent-${count}`);
      fillSent(`${state}/sent`, count);
      const references = Array.from({ length: 20 }, (_, nth) => `<${nth}@other.example>`).join("\n ");
      const reply = home.write(
        "reply",
        `From: jo@b.example\nTo: greg@example.org\nReferences: ${references}\n\nHi.\n`,
      );
      return home.subject(
        thousands(count),
        hook,
        reply,
        withSettings(`sent-${count}`, `state.folder = "${state}"`, QMAIL),
      );
    }),
  );

  const entries = [1_000, 10_000, 100_000];
  const digest = listDigest(LIST);
  const remembering = entries.map((count) => {
    const state = home.folder(`ledger-${count}`);
    fillLedger(`${state}/ledger`, count, digest);
    return { name: thousands(count), ...withSettings(`ledger-${count}`, `state.folder = "${state}"`) };
  });
  for (const { env } of remembering) {
    Deno.writeTextFileSync(env.COUNTERSIGN_CONFIG!, CHALLENGE_SETTINGS, { append: true });
  }
  await curve(
    "ledger entries: a message to a list",
    remembering.map(({ name, env }) => home.subject(name, shim(LIST), mail, { env })),
  );

  const many = [1, 10, 100, 1_000];
  const others = (count: number) =>
    Array.from({ length: count - 1 }, (_, nth) => {
      home.write(`config/key-${nth}`, `k1 2026-11-01 ${"x".repeat(32)}${nth}\n`, 0o600);
      return `[[identity]]\naddress = "a${nth}@example.org"\nsrs_domain = "srs.example.org"\nkeys = "key-${nth}"\n`;
    }).join("");
  const identities = many.map((
    count,
  ) => [thousands(count), withSettings(`identities-${count}`, "", QMAIL), others(count)]);
  for (const [, { env }, text] of identities as [string, { env: Record<string, string> }, string][]) {
    Deno.writeTextFileSync(env.COUNTERSIGN_CONFIG!, text, { append: true });
  }
  await curve(
    "identities: a genuine bounce",
    (identities as [string, { env: Record<string, string> }, string][]).map(([name, more]) =>
      home.subject(name, hook, bounce, more)
    ),
  );

  const rules = many.map((count) => {
    const more = withSettings(`rules-${count}`, "");
    const text = Array.from({ length: count }, (_, nth) => `[[rule]]\nto = ["a${nth}@example.com"]\n`).join("");
    Deno.writeTextFileSync(more.env.COUNTERSIGN_CONFIG!, text, { append: true });
    return home.subject(thousands(count), shim("ann@example.net"), mail, more);
  });
  await curve("rules: a message", rules);

  const lists = [100, 1_000, 10_000, 100_000];
  await curve(
    "plain lists: a message",
    lists.map((count) => {
      const text = Array.from({ length: count }, (_, nth) => `list${nth}@lists.example.com\n`).join("");
      const file = home.write(`config/lists-${count}`, text);
      const more = withSettings(`lists-${count}`, `plain_lists = "${file}"`);
      return home.subject(thousands(count), shim("ann@example.net"), mail, more);
    }),
  );

  const sizes = { "1 MB": 1, "10 MB": 10, "100 MB": 100, "500 MB": 500 };
  const logs = Object.entries(sizes).map(([name, megabytes]) => {
    const state = home.folder(`log-${megabytes}`);
    fillLog(`${state}/log`, megabytes * 1_000_000);
    return { name, log: `${state}/log`, ...withSettings(`log-${megabytes}`, `state.folder = "${state}"`) };
  });
  await curve(
    "the log: a message",
    logs.map(({ name, env }) => home.subject(name, shim("ann@example.net"), mail, { env })),
  );
  const doctor = [...countersign, "doctor", "--json"];
  await curve(
    "the log: countersign doctor",
    logs.map(({ name, env }) => home.subject(name, doctor, "/dev/null", { env })),
  );
  const { log, env } = logs.at(-1)!;
  const args = ["log", "--direction", "in", "--result", "forged"];
  await curve("the log of 500 MB: searching for forged mail", [
    // If its output goes to /dev/null, grep stops after the first line.
    home.subject("grep", ["/bin/sh", "-c", 'grep "direction=in .*result=forged" "$0" | cat', log], "/dev/null"),
    home.subject("countersign log", [...countersign, ...args], "/dev/null", { env }),
  ]);

  await curve("a header of 1 MB in a forged bounce", [
    home.subject("none", hook, forged(home, SIZES["1 MB"]), { env: home.variables(QMAIL), status: FILED }),
    ...HEADERS.map(([name, field, piece]) => {
      const text = `${field}: ${piece.repeat(1_000_000 / piece.length)}`;
      const input = home.write(`header-${name.replace(/\W/g, "")}`, hostileBounce(text));
      return home.subject(name, hook, input, { env: home.variables(QMAIL), status: FILED });
    }),
  ]);
  for (const name of [...Deno.readDirSync(home.path)].map((one) => one.name)) {
    if (/^(?:sent|ledger|log|header)-/.test(name)) Deno.removeSync(`${home.path}/${name}`, { recursive: true });
  }
  return tables;
}

const HEADERS: [what: string, field: string, repeated: string][] = [
  ["To: a:a:a:", "To", "a:"],
  ["To: a@b,", "To", "a@b.example,"],
  ["From: ((((", "From", "("],
  ["From: a@b, repeated", "From", "a@b\nFrom: "],
  ["In-Reply-To: a@b", "In-Reply-To", "a@b "],
  ["Subject: =?utf-8?q?a?=", "Subject", "=?utf-8?q?a?= "],
  ["References", "References", "<a@b.example>\n "],
  ["Content-Type: ;a=b", "Content-Type", ";a=b"],
];

/** A bounce with a part that must be decoded, so that all of it is inspected. */
function hostileBounce(field: string): string {
  return `From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n${field}\n` +
    `MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n` +
    `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${btoa("Message-ID: <x@y>\n\nx\n")}\n--b--\n`;
}

/** Writes a settings file with this name. @returns its path */
function configure(home: BenchHome, name: string, top: string): string {
  const key = Deno.readTextFileSync(`${home.path}/.config/countersign/keys`);
  home.write("config/keys", key, 0o600);
  const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys"\n`;
  return home.write(`config/${name}.toml`, `${top}\n${identity}${home.transports()}`);
}

/** Entries of other messages to one list, spread over the days on which they can expire. */
function fillLedger(folder: string, count: number, list: string): void {
  const today = dayOf(new Date());
  for (let nth = 0; nth < count; nth++) {
    const day = `${folder}/${today + 1 + nth % LEDGER_DAYS}`;
    const message = crypto.getRandomValues(new Uint8Array(16)).toHex();
    for (const path of [`${day}/messages/${message}`, `${day}/lists/${list}`]) {
      Deno.mkdirSync(path, { recursive: true });
    }
    Deno.writeTextFileSync(`${day}/messages/${message}/${list}`, "{}\n");
    Deno.writeTextFileSync(`${day}/lists/${list}/${message}`, "");
  }
}

/** The log of several years: half outgoing, half incoming, one in a thousand forged. */
function fillLog(path: string, size: number): void {
  using file = Deno.openSync(path, { write: true, createNew: true });
  const encoder = new TextEncoder();
  const incomingEvent = {
    direction: "in",
    sender: "<>",
    identity: "greg@example.org",
    check: "addressed",
    outcome: "go-on",
  };
  const outgoingEvent = {
    direction: "out",
    identity: "greg@example.org",
    scheme: "srs",
    to: "@example.net",
    recipients: 1,
  };
  const start = Date.now() - 5 * 365 * 86_400_000;
  for (let nth = 0, written = 0; written < size;) {
    let text = "";
    for (const end = nth + 1000; nth < end; nth++) {
      const event = nth % 2 === 0 ? { ...outgoingEvent, route: "sendmail", result: "sent" } : {
        ...incomingEvent,
        result: nth % 1000 === 1 ? "forged" : "other",
        why: "not from the null sender or a mailer daemon",
      };
      text += logLine(event, new Date(start + nth * 10_000));
    }
    const bytes = encoder.encode(text);
    file.writeSync(bytes);
    written += bytes.length;
  }
}
