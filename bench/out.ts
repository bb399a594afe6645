/** Outgoing mail: the shim in its three forms, and other programs for comparison. */
import { SETTINGS } from "../lib/settings/schema.ts";
import { ROOT } from "../build/rig/home.ts";
import { Drain } from "./drain.ts";
import { type BenchHome, fewer, TIMES } from "./home.ts";
import { measure, type Subject } from "./measure.ts";
import { outgoing, SIZES } from "./messages.ts";
import { PERL, PYTHON, SPAWN } from "./peers.ts";
import type { Table } from "./report.ts";

const TO = ["--", "ann@example.net"];

/** Measures messages of four sizes. */
export async function out(home: BenchHome): Promise<Table[]> {
  const [dist, prefix] = [await home.bundled(), await home.installed()];
  await using drain = new Drain();
  const scripts = {
    perl: home.write("srs.pl", PERL),
    python: home.write("tag.py", PYTHON),
    spawn: home.write("spawn.js", SPAWN),
  };
  const spool = { env: home.variables({ COUNTERSIGN_CONFIG: withSpool(home) }) };
  const msmtp = ["/usr/bin/msmtp", "-C", "/dev/null", "--host=127.0.0.1", `--port=${drain.port}`];
  const smtp = home.withoutCache({ COUNTERSIGN_CONFIG: bySmtp(home, drain.port) });
  const tables: Table[] = [];
  for (const [size, bytes] of Object.entries(SIZES)) {
    const input = outgoing(home, bytes);
    const [small, huge] = [bytes <= SIZES["1 MB"], bytes >= SIZES["1 GB"]];
    const subject = (name: string, argv: string[], more: Partial<Subject> = {}) =>
      home.subject(name, argv, input, more);
    const bundled = home.deno(`${dist}/shim/main.js`, "shim", ...TO);
    const subjects = [
      home.nothing(),
      subject("the injector alone", [home.reader]),
      ...small ? [] : [subject("cat | cat", ["/bin/sh", "-c", "cat | cat >/dev/null"])],
      ...small ? [subject("Deno that only runs the injector", home.deno(scripts.spawn))] : [],
      subject("shim, from source", [`${ROOT}/shim/shim`, ...TO]),
      subject("shim, bundled", bundled),
      ...hasSpool ? [subject("shim, bundled, transport.spool", bundled, spool)] : [],
      subject("shim, installed", [`${prefix}/bin/shim`, ...TO], home.withoutCache()),
      subject("shim, installed, to a server on loopback", [`${prefix}/bin/shim`, ...TO], smtp),
      subject("Perl with Mail::SRS, signs the sender only", ["/usr/bin/perl", scripts.perl, ...TO.slice(1)]),
      // For 1 GB, Python needs nine times the message's size in memory, and msmtp almost a minute.
      ...huge ? [] : [
        subject("Python, adds a tag only", ["/usr/bin/python3", scripts.python, ...TO.slice(1)]),
        subject("msmtp, to a server on loopback, signs nothing", [...msmtp, "--from=greg@example.org", ...TO]),
      ],
    ];
    const rows = await measure(subjects, small ? TIMES : fewer(8));
    tables.push({ title: `out, ${size}`, rows });
    Deno.removeSync(input);
  }
  return tables;
}

const hasSpool = SETTINGS.some(({ name }) => name === "transport.spool");

/** Settings that send mail to an SMTP server. */
function bySmtp(home: BenchHome, port: number): string {
  const name = ".config/countersign/smtp.toml";
  const path = home.write(
    name,
    `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n` +
      `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n`,
  );
  home.sandbox(name);
  return path;
}

/** The same settings with a spool. */
function withSpool(home: BenchHome): string {
  const config = Deno.readTextFileSync(`${home.path}/.config/countersign/config.toml`);
  return home.write(".config/countersign/spool.toml", config.replace("[transport]\n", "[transport]\nspool = true\n"));
}
