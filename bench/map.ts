/**
 * The sockets `map` and `policy` of the engine, compared with Debian's postsrsd: requests per second at 1 and 64
 * connections, and the time and memory that they take. postsrsd 1.10 has TCP tables, the engine unix sockets.
 */
import { type Bytes, text, utf8 } from "../lib/bytes.ts";
import { srsForward } from "../lib/srs.ts";
import { netstring } from "../serve/map/netstring.ts";
import { SECRET } from "../build/rig/home.ts";
import { freePort } from "../build/rig/postfix.ts";
import { FORWARDING_DOMAIN, GREG, Server, Site, SRS_DOMAIN, unix } from "./engine.ts";
import type { BenchHome } from "./home.ts";
import { median } from "./measure.ts";
import type { Table } from "./report.ts";
import { type Address, ask, type Asked, RequestClient, type Requests } from "./request_client.ts";
import { takeTurns, TURN_MS } from "./turns.ts";

const MANY = 64;
const JO = "jo@b.example";

/** A request to a server on one connection and on many, and its figures in each turn. */
interface Setup extends Asked {
  readonly server: Server;
  readonly clients: readonly [one: RequestClient, many: RequestClient];
  readonly one: Requests[];
  readonly many: Requests[];
}

/** Measures all requests in turns. */
export async function map(home: BenchHome): Promise<Table[]> {
  const site = new Site(home);
  await using engine = await site.start();
  await using peers = new AsyncDisposableStack();
  using open = new DisposableStack();
  const setups: Setup[] = [];
  /** Adds a request whose answer contains this text. @returns the answer */
  const add = async (name: string, server: Server, address: Address, request: Bytes, expected: string) => {
    const answer = await ask(address, request);
    if (!text(answer).includes(expected)) throw new Error(`${name}: the answer is ${text(answer)}`);
    const asked = { name, address, request, answer };
    const [one, many] = [await RequestClient.open(asked, 1), await RequestClient.open(asked, MANY)];
    for (const client of [one, many]) open.use(client);
    setups.push({ ...asked, server, clients: [one, many], one: [], many: [] });
    return text(answer);
  };
  const written = (answer: string) => /SRS0=[^\s,]+/.exec(answer)![0];
  const postsrsd = await findPostsrsd(home);
  if (postsrsd === undefined) console.error("bench: Without postsrsd it is not measured: apt-get install postsrsd");
  else {
    const secret = home.write("site/postsrsd.secret", `forwarding ${SECRET}\n`, 0o600);
    const [forward, reverse] = [freePort(), freePort()].map((port) => ({ hostname: "127.0.0.1", port }));
    const ports = ["-f", String(forward!.port), "-r", String(reverse!.port), "-l", "127.0.0.1"];
    const argv = [postsrsd, "-s", secret, "-d", FORWARDING_DOMAIN, ...ports];
    const server = peers.use(await Server.start(argv, forward!, {}));
    const answer = await add("postsrsd, rewrites a sender", server, forward!, utf8(`get ${JO}\n`), "200 SRS0=");
    await add("postsrsd, reverses it", server, reverse!, utf8(`get ${written(answer)}\n`), `200 ${JO}`);
  }
  const socket = unix(site.socket("map"));
  const look = (name: string, map: string, key: string, expected: string) =>
    add(name, engine, socket, netstring(`${map} ${key}`), `OK ${expected}`);
  const answer = await look("map, rewrites a sender", "srs-forward", JO, "SRS0=");
  await look("map, reverses it", "srs-back", written(answer), JO);
  const signed = srsForward(GREG, SRS_DOMAIN, { secrets: [SECRET], hashLength: 8, now: new Date() });
  await look("map, reverses a signed address", "srs-reverse", signed, GREG);
  await add("policy, from a person", engine, unix(site.socket("policy")), utf8(policyRequest(GREG)), "action=DUNNO");

  await takeTurns(
    setups,
    async ({ clients: [one, many] }) => ({ one: await one.run(TURN_MS), many: await many.run(TURN_MS) }),
    (setup, { one, many }) => {
      setup.one.push(one);
      setup.many.push(many);
    },
  );
  const rows = (figures: "one" | "many") =>
    setups.map((setup) => ({ name: setup.name, rate: Math.round(median(setup[figures].map(({ rate }) => rate))) }));
  const slowest = setups.map(({ name, many, server }) => {
    return { name, ms: Math.round(median(many.map(({ p99 }) => p99)) * 10) / 10, mb: server.mb };
  });
  return [
    { title: "map, requests on 1 connection", rows: rows("one") },
    { title: `map, requests on ${MANY} connections`, rows: rows("many") },
    { title: `map, the slowest 1 % on ${MANY} connections, and memory`, rows: slowest },
  ];
}

/** A request as Postfix 3.7 sends it. */
const policyRequest = (recipient: string): string =>
  `request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\n` +
  `client_name=mx.b.example\nclient_port=12345\nreverse_client_name=mx.b.example\nserver_address=198.51.100.1\n` +
  `server_port=25\nhelo_name=mx.b.example\nsender=${JO}\nrecipient=${recipient}\nrecipient_count=0\nqueue_id=\n` +
  `instance=7b.66f0a1.2.0\nsize=4711\netrn_domain=\nstress=\nsasl_method=\nsasl_username=\nsasl_sender=\n` +
  `ccert_subject=\nccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\n` +
  `encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\npolicy_context=\n\n`;

/** Returns the installed postsrsd, or that of Debian's package, unpacked in the home; undefined without either. */
async function findPostsrsd(home: BenchHome): Promise<string | undefined> {
  const installed = "/usr/sbin/postsrsd";
  const folder = home.folder("postsrsd");
  const line = `[ -x ${installed} ] || { cd "$0" && apt-get download -q postsrsd && dpkg -x postsrsd_*.deb .; }`;
  const { code } = await home.run(["/bin/sh", "-c", line, folder]);
  if (code !== 0) return undefined;
  return [installed, `${folder}${installed}`].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}
