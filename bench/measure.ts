/** Whole processes, run in turns so that what disturbs one disturbs all; medians, and the peak of memory. */

/** A process to be measured. */
export interface Subject {
  readonly name: string;
  readonly argv: readonly string[];
  /** Standard input: a file, or nothing. */
  readonly input: string;
  readonly env: Record<string, string>;
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
 * times that of /bin/true, started the same way, is taken off.
 */
export async function measure(subjects: readonly Subject[], times: number): Promise<Measured[]> {
  const nothing: Subject = { name: "nothing", argv: ["/bin/true"], input: "/dev/null", env: {} };
  const all = [nothing, ...subjects];
  const ms = all.map((): number[] => []);
  for (let turn = 0; turn <= times; turn++) {
    for (const [nth, subject] of all.entries()) {
      const started = performance.now();
      await run(subject, 'exec "$@" <"$INPUT" >/dev/null');
      if (turn > 0) ms[nth]!.push(performance.now() - started);
    }
  }
  const base = median(ms[0]!);
  const out: Measured[] = [];
  for (const [nth, subject] of subjects.entries()) {
    out.push({ name: subject.name, ms: median(ms[nth + 1]!) - base, mb: await peak(subject) });
  }
  return out;
}

/** The largest of three runs, from the kernel's figures, which GNU time reads. */
async function peak(subject: Subject): Promise<number> {
  const file = Deno.makeTempFileSync();
  try {
    let most = 0;
    for (let turn = 0; turn < 3; turn++) {
      await run(subject, `exec /usr/bin/time -q -f %M -o ${file} "$@" <"$INPUT" >/dev/null`);
      most = Math.max(most, Number(Deno.readTextFileSync(file).trim()));
    }
    return most / 1024;
  } finally {
    Deno.removeSync(file);
  }
}

/** The redirections are a shell's, which then gives way to the program. */
async function run({ name, argv, input, env }: Subject, line: string): Promise<void> {
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", line, "sh", ...argv],
    env: { ...env, INPUT: input },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  // A hook ends with 99 when it has filed the message.
  if (code !== 0 && code !== 99) throw new Error(`${name} ended with ${code}: ${new TextDecoder().decode(stderr)}`);
}

/** The middle of the figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
