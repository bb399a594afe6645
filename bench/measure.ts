/** Measures whole processes: median time and peak memory. They run in turns, so that disturbances affect all alike. */

/** A process to measure. */
export interface Subject {
  readonly name: string;
  readonly argv: readonly string[];
  /** The file to use as standard input. */
  readonly input: string;
  /** Its complete environment. */
  readonly env: Record<string, string>;
  /** The exit status that it must have, so that no crash is measured. Default 0. */
  readonly status?: number;
}

/** The result for one process. */
export interface Measured {
  readonly name: string;
  /** Median wall-clock time in milliseconds. */
  readonly ms: number;
  /** Largest resident set of the process or a child that it waited for, in megabytes; absent if it does not matter. */
  readonly mb?: number;
}

/**
 * Runs all subjects `times` times in turns, after one turn that is not counted. The time of /bin/true, started the same
 * way, is subtracted. Memory is the kernel's figure, as GNU time reports it.
 */
export async function measure(subjects: readonly Subject[], times: number): Promise<Measured[]> {
  const nothing: Subject = { name: "nothing", argv: ["/bin/true"], input: "/dev/null", env: {} };
  const all = [nothing, ...subjects].map((subject) => ({ subject, ms: [] as number[], mb: 0 }));
  const peak = Deno.makeTempFileSync();
  try {
    for (let turn = 0; turn <= times; turn++) {
      for (const measurement of all) {
        const started = performance.now();
        await run(measurement.subject, peak);
        if (turn > 0) measurement.ms.push(performance.now() - started);
        measurement.mb = Math.max(measurement.mb, Number(Deno.readTextFileSync(peak)) / 1024);
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

/** Runs a subject once: a shell sets up the redirections and then executes the program. */
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
    throw new Error(`${name} exited ${code}, not ${status}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** The median of the figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
