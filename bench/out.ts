/** The way out: the shim in its three forms, and what others do for one message. */
import { SETTINGS } from "../lib/settings/schema.ts";
import { ROOT } from "../tests/rig.ts";
import { Drain } from "./drain.ts";
import { type BenchHome, few, TIMES } from "./home.ts";
import { measure, type Subject } from "./measure.ts";
import { outgoing, SIZES } from "./messages.ts";
import { PERL, PYTHON, SPAWN } from "./peers.ts";
import type { Table } from "./report.ts";

const TO = ["--", "ann@example.net"];

/** Measures messages of four sizes. */
export async function out(ground: BenchHome): Promise<Table[]> {
  const [dist, prefix] = [await ground.bundled(), await ground.installed()];
  await using drain = new Drain();
  const scripts = {
    perl: ground.write("srs.pl", PERL),
    python: ground.write("tag.py", PYTHON),
    spawn: ground.write("spawn.js", SPAWN),
  };
  const spool = { env: ground.variables({ COUNTERSIGN_CONFIG: withSpool(ground) }) };
  const msmtp = ["/usr/bin/msmtp", "-C", "/dev/null", "--host=127.0.0.1", `--port=${drain.port}`];
  const smtp = ground.withoutCache({ COUNTERSIGN_CONFIG: bySmtp(ground, drain.port) });
  const tables: Table[] = [];
  for (const [size, bytes] of Object.entries(SIZES)) {
    const input = outgoing(ground, bytes);
    const [small, huge] = [bytes <= SIZES["1 MB"], bytes >= SIZES["1 GB"]];
    const of = (name: string, argv: string[], more: Partial<Subject> = {}) => ground.subject(name, argv, input, more);
    const bundled = ground.deno(`${dist}/shim/main.js`, "shim", ...TO);
    const subjects = [
      ground.nothing(),
      of("the injector alone", [ground.reader]),
      ...small ? [] : [of("cat | cat", ["/bin/sh", "-c", "cat | cat >/dev/null"])],
      ...small ? [of("Deno, the injector run and fed, nothing else", ground.deno(scripts.spawn))] : [],
      of("shim, from source", [`${ROOT}/shim/shim`, ...TO]),
      of("shim, bundled", bundled),
      ...hasSpool ? [of("shim, bundled, transport.spool", bundled, spool)] : [],
      of("shim, installed", [`${prefix}/bin/shim`, ...TO], ground.withoutCache()),
      of("shim, installed, to a server on loopback", [`${prefix}/bin/shim`, ...TO], smtp),
      of("perl with Mail::SRS, sender only", ["/usr/bin/perl", scripts.perl, ...TO.slice(1)]),
      // Python holds the message nine times over; msmtp takes most of a minute for 1 GB.
      ...huge ? [] : [
        of("Python, tag only", ["/usr/bin/python3", scripts.python, ...TO.slice(1)]),
        of("msmtp to a server on loopback, neither", [...msmtp, "--from=greg@example.org", ...TO]),
      ],
    ];
    const rows = await measure(subjects, small ? TIMES : few(8));
    tables.push({ title: `out, ${size}`, rows });
    Deno.removeSync(input);
  }
  return tables;
}

const hasSpool = SETTINGS.some(({ name }) => name === "transport.spool");

/** Settings that give the mail to a server. */
function bySmtp(ground: BenchHome, port: number): string {
  const name = ".config/countersign/smtp.toml";
  const path = ground.write(
    name,
    `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n` +
      `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`,
  );
  ground.sandbox(name);
  return path;
}

/** The same settings, and a file as the injector's standard input. */
function withSpool(ground: BenchHome): string {
  const config = Deno.readTextFileSync(`${ground.path}/.config/countersign/config.toml`);
  return ground.write(".config/countersign/spool.toml", config.replace("[transport]\n", "[transport]\nspool = true\n"));
}
