/** Rewriting senders for forwarding: `countersign serve` by socketmap, and postsrsd by the protocol of its version. */
import { text, utf8 } from "../lib/bytes.ts";
import { SECRET } from "../build/rig/home.ts";
import { freePort } from "../build/rig/postfix.ts";
import { connect, FORWARDING_DOMAIN, Server, type Site, unix } from "./engine.ts";
import type { Rate } from "./report.ts";
import { median } from "./measure.ts";

const CONNECTIONS = 8;
const TURN_MS = 1000;
const JO = "jo@b.example";
const POSTSRSD = "/usr/sbin/postsrsd";

/** A request to a server, and how its reply begins. */
interface Setup {
  readonly name: string;
  readonly address: Deno.ConnectOptions | Deno.UnixConnectOptions;
  readonly request: string;
  readonly reply: string;
  readonly rates: number[];
}

/** Requests per second of the engine and of postsrsd, if that is installed. */
export async function forwarding(site: Site, turns: number): Promise<Rate[]> {
  const netstring = (text: string) => `${text.length}:${text},`;
  const map = (name: string, key: string) => netstring(`${name} ${key}`);
  await using peers = new AsyncDisposableStack();
  const setups: Setup[] = [];
  /** Adds the reversal of what the server answers to the request. */
  const add = async (
    name: string,
    addresses: readonly Setup["address"][],
    requests: (key: string) => readonly [forward: string, back: string],
    replies: readonly [forward: string, back: string],
  ) => {
    const [forward] = requests(JO);
    const written = /SRS0[^\s,]+/.exec(await ask(addresses[0]!, forward))?.[0];
    if (written === undefined) throw new Error(`${name} does not rewrite a sender`);
    const [, back] = requests(written);
    const what = ["rewrites a sender", "reverses it"];
    for (const [nth, request] of [forward, back].entries()) {
      setups.push({
        name: `${name}, ${what[nth]}`,
        address: addresses[nth]!,
        request,
        reply: replies[nth]!,
        rates: [],
      });
    }
  };
  if (exists(POSTSRSD)) {
    const secrets = site.home.write("site/postsrsd", `${SECRET}\n`, 0o600);
    const ports = [freePort(), freePort()];
    const [forward, back] = ports.map((port) => ({ hostname: "127.0.0.1", port }));
    const options = [`-s${secrets}`, `-d${FORWARDING_DOMAIN}`, `-f${ports[0]}`, `-r${ports[1]}`, "-4"];
    peers.use(await Server.start([POSTSRSD, ...options], forward!, {}));
    await add("postsrsd", [forward!, back!], (key) => [`get ${key}\n`, `get ${key}\n`], ["200 SRS0", `200 ${JO}`]);
  } else {
    console.error("bench: Without postsrsd it is not measured: apt-get install postsrsd");
  }
  const socket = unix(site.socket("map"));
  await add(
    "map",
    [socket, socket],
    (key) => [map("srs-forward", key), map("srs-back", key)],
    ["", netstring(`OK ${JO}`)], // the first reply begins with its length
  );
  for (let turn = 0; turn <= turns; turn++) {
    for (const setup of setups) {
      const rate = await requestRate(setup);
      if (turn > 0) setup.rates.push(rate);
    }
  }
  return setups.map(({ name, rates }) => ({ name, rate: Math.round(median(rates)) }));
}

/** Sends one request, and returns the reply. */
async function ask(address: Setup["address"], request: string): Promise<string> {
  using connection = await connect(address);
  return await exchange(connection, utf8(request), new Uint8Array(1024));
}

/** Requests per second on concurrent connections, each of which waits for the reply to its last request. */
async function requestRate({ name, address, request, reply }: Setup): Promise<number> {
  const begun = performance.now();
  let count = 0;
  const worker = async () => {
    using connection = await connect(address);
    const [bytes, buffer] = [utf8(request), new Uint8Array(1024)];
    for (; performance.now() - begun < TURN_MS; count++) {
      const got = await exchange(connection, bytes, buffer);
      if (!got.startsWith(reply)) throw new Error(`${name}: the reply is ${got}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return count * 1000 / (performance.now() - begun);
}

async function exchange(connection: Deno.Conn, request: Uint8Array, buffer: Uint8Array): Promise<string> {
  for (let at = 0; at < request.length;) at += await connection.write(request.subarray(at));
  const size = await connection.read(buffer); // a reply is shorter than a packet
  if (size === null) throw new Error("The server closed the connection");
  return text(buffer.subarray(0, size));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
