/**
 * How long Postfix takes to receive messages with the engine as its milter, with one that does nothing, and with none.
 */
import { freePort, Postfix } from "../build/rig/postfix.ts";
import { genuineBounce, GREG, LETTER, type Site } from "./engine.ts";
import { fewer } from "./home.ts";
import { type Measured, median } from "./measure.ts";
import type { Table } from "./report.ts";

/** Messages of one turn, on this many connections at a time, each of which sends one message. */
const [MESSAGES, CONNECTIONS] = [500, 8];
const TURNS = fewer(4);
const SOURCE = "/usr/sbin/smtp-source";

/** Deliveries need no milter, and discarding them keeps the disk out of the comparison as far as possible. */
const MAIN = `mydestination =
relay_domains = example.org
relay_transport = discard:
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
milter_default_action = tempfail
`;

/** Measures mail that both milters accept, in turns. @param idle the socket of the milter that does nothing */
export async function throughPostfix(site: Site, idle: string): Promise<Table[]> {
  if (Deno.uid() !== 0 || !exists(SOURCE) || !exists("/usr/sbin/postfix")) {
    console.error("bench: Postfix is not measured: it requires root and apt-get install postfix");
    return [];
  }
  allow(site, idle, site.socket("door"));
  const services = [
    { name: "no milter", port: freePort(), milter: undefined },
    { name: "a milter in C that does nothing", port: freePort(), milter: idle },
    { name: "door", port: freePort(), milter: site.socket("door") },
  ];
  const master = services.map(({ port, milter }) =>
    `127.0.0.1:${port} inet n - n - - smtpd\n${milter === undefined ? "" : `  -o smtpd_milters=unix:${milter}\n`}`
  ).join("");
  await using _postfix = await Postfix.start({ main: MAIN, master });
  const letter = site.home.write("letter", LETTER);
  const bounce = site.home.write("bounce", genuineBounce());
  return [
    { title: "door, 500 messages of a person through Postfix", rows: await compare(services, "jo@b.example", letter) },
    { title: "door, 500 genuine bounces through Postfix", rows: await compare(services, "", bounce) },
  ];
}

/** Lets the user of Postfix connect to the sockets. */
function allow({ home, sockets: folder }: Site, ...sockets: string[]): void {
  for (const path of [home.path, `${home.path}/site`, folder]) Deno.chmodSync(path, 0o711);
  for (const socket of sockets) Deno.chmodSync(socket, 0o666);
}

async function compare(
  services: readonly { readonly name: string; readonly port: number }[],
  sender: string,
  mail: string,
): Promise<Measured[]> {
  const all = services.map(({ name, port }) => ({ name, port, ms: [] as number[] }));
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const { port, ms } of all) {
      const begun = performance.now();
      const options = ["-s", CONNECTIONS, "-m", MESSAGES, "-f", sender, "-t", GREG, "-F", mail, `127.0.0.1:${port}`];
      const { success, stderr } = await new Deno.Command(SOURCE, { args: options.map(String) }).output();
      if (!success) throw new Error(`smtp-source: ${new TextDecoder().decode(stderr)}`);
      if (turn > 0) ms.push(performance.now() - begun);
    }
  }
  return all.map(({ name, ms }) => ({ name, ms: median(ms) }));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
