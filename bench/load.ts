/**
 * Throughput under qmail: messages delivered per second without the hook, with the hook started for each message, and
 * with ordinary mail passed through by the launcher.
 */
import { type BenchHome, TIMES } from "./home.ts";
import { FILED, QMAIL } from "./in.ts";
import { forged, genuine, SIZES } from "./messages.ts";
import { median } from "./measure.ts";
import type { Table } from "./report.ts";

/** The numbers of genuine and forged bounces among all messages; the others are ordinary. */
const [GENUINE, FORGED, ALL] = [3, 3, 50];
/** Simultaneous deliveries, like qmail's `concurrencylocal`. */
const CONCURRENCY = 4;

/**
 * Simulates qmail, which Debian does not package: one process queues the message, another delivers it, and both sync it
 * to disk. `$1` is the message, `$2` the program line, which may be empty.
 */
const DRIVER = `#!/bin/sh
queued=$QUEUE/$$
dd if="$1" of="$queued" conv=fsync status=none || exit 111
[ -z "$2" ] || /bin/sh -c "$2" <"$queued"
status=$?
if [ "$status" = 0 ]; then
  dd if="$queued" of="$HOME/Maildir/tmp/$$" conv=fsync status=none && mv "$HOME/Maildir/tmp/$$" "$HOME/Maildir/new/$$"
fi
rm "$queued"
[ "$status" = ${FILED} ] || exit "$status"
`;

/** A setup, and the messages per second that it delivered in each turn. */
interface Setup {
  readonly name: string;
  readonly line: string;
  readonly config: string;
  readonly rates: number[];
}

/** Measures the same messages with three setups, in turns. */
export async function load(home: BenchHome): Promise<Table[]> {
  const hook = `${await home.installed()}/lib/countersign/hooks/incoming`;
  const driver = home.write("bin/qmail", DRIVER, 0o755);
  home.write(".qmail", `|${hook}\n./Maildir/\n`);
  for (const folder of ["Maildir/tmp", "Maildir/new", "queue"]) home.folder(folder);
  const bytes = SIZES["2 KB"];
  const ordinary = home.write("ordinary", "From: jo@b.example\nTo: greg@example.org\n\n".padEnd(bytes, "words\n"));
  const returned = [genuine(home, bytes), forged(home, bytes)];

  const current = `${home.path}/.config/countersign/config.toml`;
  for (const name of ["keys", "plain-lists"]) {
    home.write(`.config/every/${name}`, home.read(`.config/countersign/${name}`), 0o600);
  }
  const withoutPass = home.write(".config/every/config.toml", Deno.readTextFileSync(current));
  const sandbox = home.read(".config/every/config.sandbox");
  home.write(".config/every/config.sandbox", sandbox.replace(/^ordinary .*\n/m, ""));
  const setups: Setup[] = [
    { name: "without the hook", line: "", config: current, rates: [] },
    { name: "the hook for each message", line: hook, config: withoutPass, rates: [] },
    { name: "the hook, except for ordinary mail", line: hook, config: current, rates: [] },
  ];
  const deliver = async ({ line, config }: Setup, nth: number): Promise<void> => {
    const [message, sender] = nth < GENUINE
      ? [returned[0]!, ""]
      : nth < GENUINE + FORGED
      ? [returned[1]!, ""]
      : [ordinary, "jo@b.example"];
    const more = { ...QMAIL, SENDER: sender, COUNTERSIGN_CONFIG: config, QUEUE: `${home.path}/queue` };
    const { env } = home.withoutCache(more);
    const { code, stderr } = await new Deno.Command(driver, { args: [message, line], clearEnv: true, env }).output();
    if (code !== 0) throw new Error(`${line} exited ${code}: ${new TextDecoder().decode(stderr)}`);
  };
  const turns = Math.max(2, Math.ceil(TIMES / 10));
  for (let turn = 0; turn <= turns; turn++) {
    for (const setup of setups) {
      const waiting = Array.from({ length: ALL }, (_, nth) => nth);
      const started = performance.now();
      const worker = async () => {
        for (let nth = waiting.pop(); nth !== undefined; nth = waiting.pop()) await deliver(setup, nth);
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, worker));
      const rate = ALL * 1000 / (performance.now() - started);
      if (turn > 0) setup.rates.push(rate);
      for (const { name } of Deno.readDirSync(`${home.path}/Maildir/new`)) {
        Deno.removeSync(`${home.path}/Maildir/new/${name}`);
      }
    }
  }
  const rows = setups.map(({ name, rates }) => ({ name, rate: median(rates) }));
  return [{ title: "load, qmail: 88 % ordinary, 6 % genuine, 6 % forged", rows }];
}
