/**
 * What a user's mail costs under qmail: messages delivered a second without the hook, with the hook started for each, and
 * with ordinary mail passed by the launcher.
 */
import { type BenchHome, TIMES } from "./home.ts";
import { FILED, QMAIL } from "./in.ts";
import { forged, genuine, SIZES } from "./messages.ts";
import { median } from "./measure.ts";
import type { Table } from "./report.ts";

/** Of 50 messages; the rest is ordinary. */
const [GENUINE, FORGED, ALL] = [3, 3, 50];
/** Deliveries at a time, as `concurrencylocal` sets it. */
const AT_ONCE = 4;

/**
 * Stands for qmail, which Debian does not have: a process queues the message, a process delivers it, and both sync it to
 * the disk. `$1` is the message, `$2` the program line, which may be empty.
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

/** A way to deliver, and how many messages a second it has delivered in each turn. */
interface Way {
  readonly name: string;
  readonly line: string;
  readonly config: string;
  readonly rates: number[];
}

/** Measures the same messages in three ways, in turns. */
export async function load(ground: BenchHome): Promise<Table[]> {
  const hook = `${await ground.installed()}/lib/countersign/hooks/incoming`;
  const driver = ground.write("bin/qmail", DRIVER, 0o755);
  ground.write(".qmail", `|${hook}\n./Maildir/\n`);
  for (const folder of ["Maildir/tmp", "Maildir/new", "queue"]) ground.folder(folder);
  const bytes = SIZES["2 KB"];
  const ordinary = ground.write("ordinary", "From: jo@b.example\nTo: greg@example.org\n\n".padEnd(bytes, "words\n"));
  const returned = [genuine(ground, bytes), forged(ground, bytes)];

  const current = `${ground.path}/.config/countersign/config.toml`;
  for (const name of ["keys", "plain-lists"]) {
    ground.write(`.config/every/${name}`, ground.read(`.config/countersign/${name}`), 0o600);
  }
  const every = ground.write(".config/every/config.toml", Deno.readTextFileSync(current));
  const sandbox = ground.read(".config/every/config.sandbox");
  ground.write(".config/every/config.sandbox", sandbox.replace(/^ordinary .*\n/m, ""));
  const ways: Way[] = [
    { name: "without the hook", line: "", config: current, rates: [] },
    { name: "the hook for each message", line: hook, config: every, rates: [] },
    { name: "ordinary mail passes", line: hook, config: current, rates: [] },
  ];
  const deliver = async ({ line, config }: Way, nth: number): Promise<void> => {
    const [message, sender] = nth < GENUINE
      ? [returned[0]!, ""]
      : nth < GENUINE + FORGED
      ? [returned[1]!, ""]
      : [ordinary, "jo@b.example"];
    const more = { ...QMAIL, SENDER: sender, COUNTERSIGN_CONFIG: config, QUEUE: `${ground.path}/queue` };
    const { env } = ground.withoutCache(more);
    const { code, stderr } = await new Deno.Command(driver, { args: [message, line], clearEnv: true, env }).output();
    if (code !== 0) throw new Error(`${line} ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  };
  const turns = Math.max(2, Math.ceil(TIMES / 10));
  for (let turn = 0; turn <= turns; turn++) {
    for (const way of ways) {
      const waiting = Array.from({ length: ALL }, (_, nth) => nth);
      const started = performance.now();
      const worker = async () => {
        for (let nth = waiting.pop(); nth !== undefined; nth = waiting.pop()) await deliver(way, nth);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      const rate = ALL * 1000 / (performance.now() - started);
      if (turn > 0) way.rates.push(rate);
      for (const { name } of Deno.readDirSync(`${ground.path}/Maildir/new`)) {
        Deno.removeSync(`${ground.path}/Maildir/new/${name}`);
      }
    }
  }
  const rows = ways.map(({ name, rates }) => ({ name, rate: median(rates) }));
  return [{ title: "load, qmail: 88 % ordinary, 6 % genuine, 6 % forged", rows }];
}
