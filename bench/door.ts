/**
 * The engine as a milter: sessions per second on 8 connections, compared with a milter that does nothing and with
 * opendkim; how long a session takes at half the highest rate, and beside idle connections; and through Postfix.
 */
import { srsForward } from "../lib/srs.ts";
import { forged, GREG, LETTER, Server, Site, SRS_DOMAIN, unix } from "./engine.ts";
import type { BenchHome } from "./home.ts";
import { median } from "./measure.ts";
import {
  content,
  envelope,
  idleConnections,
  type Load,
  MilterClient,
  type Scripts,
  type Sessions,
} from "./milter_client.ts";
import { throughPostfix } from "./door_postfix.ts";
import type { Measured } from "./measure.ts";
import type { Table } from "./report.ts";
import { takeTurns, TURN_MS } from "./turns.ts";

const CONNECTIONS = 8;
const IDLE_CONNECTIONS = 2000;

/** Sessions with mail from a person, which the door does not read. */
export const PERSON: Scripts = [[...envelope("jo@b.example", GREG), ...content(LETTER, "a", "")]];
/** Sessions with forged bounces of different messages. @param end the answer to their end */
export const bounces = (end: string): Scripts =>
  Array.from({ length: 2000 }, (_, nth) => [...envelope("", GREG), ...content(forged(nth), "c", end)]);

const IDLE = "a milter in C that does nothing, bounce";
const DOOR = "door, forged bounce";

/** A kind of session with a milter. */
interface Setup {
  readonly name: string;
  readonly client: MilterClient;
  readonly runs: Sessions[];
}

/** Measures the sessions of all milters in turns. */
export async function door(home: BenchHome): Promise<Table[]> {
  const site = new Site(home);
  const { env } = home.withoutCache();
  await using engine = await site.start();
  await using peers = new AsyncDisposableStack();
  const setups: Setup[] = [];
  const add = async (name: string, socket: string, scripts: Scripts) =>
    setups.push({ name, client: await MilterClient.of(home, site.socket(socket), scripts), runs: [] });
  const idle = site.socket("idle");
  peers.use(await Server.start([await home.compiled("idle_milter"), idle], unix(idle), env));
  await add(IDLE, "idle", bounces("a"));
  const opendkim = "/usr/sbin/opendkim";
  if (exists(opendkim)) {
    const args = ["-f", "-x", "/dev/null", "-b", "v", "-p", `unix:${site.socket("opendkim")}`];
    peers.use(await Server.start([opendkim, ...args], unix(site.socket("opendkim")), env));
    await add("opendkim, looks for signatures in a bounce", "opendkim", bounces("a"));
  }
  const badHash = srsForward(GREG, SRS_DOMAIN, { secrets: ["mallory"], hashLength: 8, now: new Date() });
  await add("door, from a person", "door", PERSON);
  await add("door, forged address", "door", [envelope("", badHash, "y")]);
  await add(DOOR, "door", bounces("y"));
  await add("sign", "sign", [[...envelope(GREG, "jo@b.example", "c", "greg"), ...content(LETTER, "c", "a")]]);
  await runAll(setups, { connections: CONNECTIONS });
  const rows = setups.map(({ name, runs }) => ({ name, rate: Math.round(median(runs.map(({ rate }) => rate))) }));
  const rate = rows.find(({ name }) => name === DOOR)!.rate / 2;
  return [
    { title: "door, milter sessions at 8 connections", rows },
    { title: "door, sessions at half the rate of forged bounces", rows: await atRate(setups, rate) },
    { title: "door, idle connections", rows: await besideIdle(home, site.socket("door"), engine) },
    ...await throughPostfix(site, idle),
  ];
}

/** Runs the sessions of all milters in turns. */
const runAll = (setups: readonly Setup[], load: Load): Promise<void> =>
  takeTurns(setups, ({ client }) => client.run({ ...load, ms: TURN_MS }), ({ runs }, result) => runs.push(result));

/** How long a session takes when sessions begin at this rate. */
async function atRate(all: readonly Setup[], rate: number): Promise<Measured[]> {
  const setups = all.filter(({ name }) => name === IDLE || name === DOOR).map((one) => ({
    ...one,
    runs: [] as Sessions[],
  }));
  await runAll(setups, { rate });
  return setups.flatMap(({ name, runs }) => [
    { name: `${name}, median`, ms: median(runs.map((run) => run.median)) },
    { name: `${name}, 99th percentile`, ms: median(runs.map(({ p99 }) => p99)) },
  ]);
}

/** How long a session takes without and with idle connections, and the memory of the engine. */
async function besideIdle(home: BenchHome, path: string, engine: Server): Promise<Measured[]> {
  const client = await MilterClient.of(home, path, bounces("y"));
  const measured = async (name: string) => {
    const { median: ms } = await client.run({ connections: 1, count: 500 });
    return { name, ms, mb: engine.mb };
  };
  const rows = [await measured("a forged bounce, no other connection")];
  using _idle = await idleConnections(path, IDLE_CONNECTIONS);
  return [...rows, await measured("a forged bounce beside 2,000 idle connections")];
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
