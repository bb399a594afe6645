/** Whole processes, run in turns so that what disturbs one disturbs all: medians, and the peak of memory. */

/** A process to be measured. */
export interface Subject {
  readonly name: string;
  readonly argv: readonly string[];
  /** Standard input: a file, or nothing. */
  readonly input: string;
  /** Its whole environment. */
  readonly env: Record<string, string>;
  /** How it must end, lest a crash be measured. Default 0. */
  readonly status?: number;
}

/** What was measured. */
export interface Measured {
  readonly name: string;
  /** Median wall-clock time, milliseconds. */
  readonly ms: number;
  /** Largest resident set of the process or a child it waited for, megabytes. */
  readonly mb: number;
}

/**
 * Runs all of them `times` times, in turns, the first turn uncounted. From the
 * times that of /bin/true, started the same way, is taken off. Memory is the
 * kernel's figure, which GNU time reads.
 */
export async function measure(subjects: readonly Subject[], times: number): Promise<Measured[]> {
  const nothing: Subject = { name: "nothing", argv: ["/bin/true"], input: "/dev/null", env: {} };
  const all = [nothing, ...subjects].map((subject) => ({ subject, ms: [] as number[], mb: 0 }));
  const peak = Deno.makeTempFileSync();
  try {
    for (let turn = 0; turn <= times; turn++) {
      for (const one of all) {
        const started = performance.now();
        await run(one.subject, peak);
        if (turn > 0) one.ms.push(performance.now() - started);
        one.mb = Math.max(one.mb, Number(Deno.readTextFileSync(peak)) / 1024);
      }
    }
  } finally {
    Deno.removeSync(peak);
  }
  const base = median(all[0]!.ms);
  return all.slice(1).map(({ subject, ms, mb }) => ({
    name: subject.name,
    ms: tenth(median(ms) - base),
    mb: tenth(mb),
  }));
}

const tenth = (value: number) => Math.round(value * 10) / 10;

/** The redirections are a shell's, which then gives way to the program. */
async function run({ name, argv, input, env, status = 0 }: Subject, peak: string): Promise<void> {
  const line = 'exec /usr/bin/time -q -f %M -o "$PEAK" "$@" <"$INPUT" >/dev/null';
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", line, "sh", ...argv],
    clearEnv: true,
    env: { ...env, INPUT: input, PEAK: peak },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== status) {
    throw new Error(`${name} ended with ${code}, not ${status}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** The middle of the figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
