/**
 * `countersign submitd`, beside a server on smtp-server alone: messages per second over TLS, with several ways to send
 * them; the processor time of a message; and what 200 sessions that are held cost.
 */
import { CREATED, ROOT, SECRET } from "../build/rig/home.ts";
import { freePort } from "../build/rig/postfix.ts";
import { SubmitSession } from "../admin/doctor/submit_session.ts";
import { hashPassword } from "../submit/backends/scrypt.ts";
import { Drain } from "./drain.ts";
import { GREG, LETTER, Server, SRS_DOMAIN } from "./engine.ts";
import { type BenchHome, TIMES } from "./home.ts";
import { median } from "./measure.ts";
import type { Table } from "./report.ts";

/** Connections that send at the same time, each with a login, and the messages that each sends in one turn. */
const [CONNECTIONS, MESSAGES] = [8, 50];
/** Sessions that are held. */
const HELD = 200;
/** A run of 40 repetitions has three turns. */
const TURNS = Math.max(1, Math.round(TIMES / 13));

/** A way to send, with the messages per second and the processor time of a message in each turn. */
interface Setup {
  readonly name: string;
  readonly port: number;
  readonly server: Server;
  readonly rates: number[];
  readonly cpu: number[];
}

const CONTENT = `${LETTER.replaceAll("\n", "\r\n")}\r\n.`;

/** Measures all setups in turns. */
export async function submit(home: BenchHome): Promise<Table[]> {
  const files = await new Files(home).prepare();
  await using drain = new Drain();
  await using servers = new AsyncDisposableStack();
  const add = async (name: string, argv: (port: number) => string[] | Promise<string[]>) => {
    const port = freePort();
    const { env } = home.withoutCache();
    const server = await Server.start(await argv(port), { hostname: "127.0.0.1", port }, env);
    servers.use(server);
    return { name, port, server, rates: [], cpu: [] };
  };
  const library = await add("smtp-server alone, discards it", (port) => files.library(port));
  const program = `preset = "sendmail"\ncommand = ["${home.reader}"]\n`;
  const smtp = `via = "smtp"\nhost = "127.0.0.1"\nport = ${drain.port}\nsecurity = "none"\n`;
  const ways: [string, string][] = [
    ["submitd, to a program that discards it", program],
    ["submitd, to a server that discards it", smtp],
    ["submitd, into a maildir", `via = "maildir"\nmaildir = "out"\n`],
  ];
  const setups: Setup[] = [library];
  for (const [name, transport] of ways) setups.push(await add(name, (port) => files.submitd(port, transport)));
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const setup of setups) {
      const before = setup.server.cpuMs;
      const rate = await rateOf(setup.port);
      if (turn === 0) continue; // it warms up
      setup.rates.push(rate);
      setup.cpu.push((setup.server.cpuMs - before) / (CONNECTIONS * MESSAGES));
    }
  }
  const rows = setups.map(({ name, rates }) => ({ name, rate: Math.round(median(rates)) }));
  const through = setups[2]!;
  return [
    { title: `submit, messages of 2 KB on ${CONNECTIONS} connections`, rows },
    {
      title: "submit, processor time of a message of 2 KB",
      rows: setups.map(({ name, cpu, server }) => ({ name, ms: Math.round(median(cpu) * 10) / 10, mb: server.mb })),
    },
    { title: `submit, ${HELD} sessions held`, rows: await held(through.port, through.server) },
  ];
}

/** Sends the messages of a turn. @returns how many per second were accepted */
async function rateOf(port: number): Promise<number> {
  const begun = performance.now();
  const client = async () => {
    using session = await loggedIn(port);
    for (let count = 0; count < MESSAGES; count++) await send(session);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return CONNECTIONS * MESSAGES * 1000 / (performance.now() - begun);
}

/** Measures a message on one connection, alone and beside sessions that are logged in and idle. */
async function held(port: number, server: Server) {
  const one = async (): Promise<number> => {
    using session = await loggedIn(port);
    const times: number[] = [];
    for (let count = 0; count < MESSAGES; count++) {
      const begun = performance.now();
      await send(session);
      times.push(performance.now() - begun);
    }
    return Math.round(median(times) * 10) / 10;
  };
  const alone = { name: "a message, no other session", ms: await one(), mb: server.mb };
  const sessions: SubmitSession[] = [];
  try {
    while (sessions.length < HELD) sessions.push(await loggedIn(port));
    return [alone, { name: `a message beside ${HELD} sessions`, ms: await one(), mb: server.mb }];
  } finally {
    for (const session of sessions) session[Symbol.dispose]();
  }
}

async function loggedIn(port: number): Promise<SubmitSession> {
  const session = await SubmitSession.open({ host: "127.0.0.1", port }, true);
  await expected("220", session.reply());
  await expected("250", session.say("EHLO bench.example"));
  await expected("235", session.say(`AUTH PLAIN ${btoa("\0greg\0secret")}`));
  return session;
}

async function send(session: SubmitSession): Promise<void> {
  await expected("250", session.say(`MAIL FROM:<${GREG}>`));
  await expected("250", session.say("RCPT TO:<jo@b.example>"));
  await expected("354", session.say("DATA"));
  await expected("250", session.say(CONTENT));
}

async function expected(code: string, reply: Promise<string>): Promise<void> {
  const text = await reply;
  if (!text.startsWith(code)) throw new Error(`${code} was expected: ${text}`);
}

/** The files of the servers, and their command lines. */
class Files {
  readonly #folder: string;
  #as: readonly string[] = [];
  #count = 0;

  constructor(readonly home: BenchHome) {
    this.#folder = home.folder("submit");
  }

  async prepare(): Promise<this> {
    const { home } = this;
    const made = await home.run([
      ...["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", `${this.#folder}/key.pem`, "-out", `${this.#folder}/cert.pem`, "-subj", "/CN=localhost"],
    ]);
    if (made.code !== 0) throw new Error(made.stderr);
    Deno.chmodSync(`${this.#folder}/key.pem`, 0o600);
    home.write("submit/users", `greg:${await hashPassword("secret")}\n`, 0o600);
    // submitd refuses to run as root.
    if (Deno.uid() === 0) {
      this.#as = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
      Deno.chmodSync(home.path, 0o755); // the installed programs are below it
    }
    return this;
  }

  library(port: number): string[] {
    const files = [`${this.#folder}/cert.pem`, `${this.#folder}/key.pem`];
    const flags = ["-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`];
    return [Deno.execPath(), "run", ...flags, `${ROOT}/bench/submit_library.ts`, ...files, String(port)];
  }

  async submitd(port: number, transport: string): Promise<string[]> {
    const { home } = this;
    const name = `submit/${++this.#count}`;
    const file = home.write(
      `${name}/config.toml`,
      `[[identity]]\naddress = "${GREG}"\nsrs_domain = "${SRS_DOMAIN}"\nkeys = "keys"\nlogins = ["greg"]\n` +
        `[state]\nfolder = "state"\n[transport]\n${transport}[submit]\nauth = "file:${this.#folder}/users"\n` +
        `certificate = "../cert.pem"\nkey = "../key.pem"\nlisten = []\nlisten_tls = ["127.0.0.1:${port}"]\n` +
        `max_per_address = ${HELD + CONNECTIONS}\n`,
    );
    home.write(`${name}/keys`, `k1 ${CREATED} ${SECRET}\n`, 0o600);
    for (const folder of ["state", "out/tmp", "out/new", "out/cur"]) home.folder(`${name}/${folder}`);
    if (this.#as.length > 0) {
      const owned = await home.run(["/bin/chown", "-R", "nobody:nogroup", this.#folder]);
      if (owned.code !== 0) throw new Error(owned.stderr);
    }
    home.sandbox(`${name}/config.toml`);
    return [...this.#as, `${await home.installed()}/bin/countersign`, "submitd", "--config", file];
  }
}
