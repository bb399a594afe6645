/**
 * Runs programs of main.ts one after another in one process, each with its own environment, folder and standard
 * input: starting a process takes much longer than most of them. It reads its jobs from standard input and prints their
 * results on standard output, as JSON lines.
 */
import { main } from "../../main.ts";
import type { Ran } from "../rig.ts";

/** One run. */
export interface ResidentJob {
  /** The name of the program. */
  readonly name: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

const { readable } = Deno.stdin;
const print = Deno.stdout.writeSync.bind(Deno.stdout);

/** Collects what is written to a stream. @returns a function that returns it, and starts anew */
function collect(stream: typeof Deno.stdout | typeof Deno.stderr): () => string {
  let text = "";
  const decoder = new TextDecoder();
  stream.writeSync = (bytes) => {
    text += decoder.decode(bytes, { stream: true });
    return bytes.length;
  };
  stream.write = (bytes) => Promise.resolve(stream.writeSync(bytes));
  return () => {
    const all = text + decoder.decode();
    text = "";
    return all;
  };
}

const [stdout, stderr] = [collect(Deno.stdout), collect(Deno.stderr)];

/** Standard input with this text. */
function inputOf(text: string) {
  let rest = new TextEncoder().encode(text);
  const readSync = (buffer: Uint8Array): number | null => {
    if (rest.length === 0) return null;
    const piece = rest.subarray(0, buffer.length);
    buffer.set(piece);
    rest = rest.subarray(piece.length);
    return piece.length;
  };
  return {
    readSync,
    read: (buffer: Uint8Array) => Promise.resolve(readSync(buffer)),
    isTerminal: () => false,
    close: () => {},
  };
}

async function run({ name, args, input, cwd, env }: ResidentJob): Promise<Ran> {
  for (const variable of Object.keys(Deno.env.toObject())) Deno.env.delete(variable);
  for (const [variable, value] of Object.entries(env)) Deno.env.set(variable, value);
  Deno.chdir(cwd);
  Object.defineProperty(Deno, "stdin", { value: inputOf(input), configurable: true });
  const code = await main(name, args);
  return { code, stdout: stdout(), stderr: stderr() };
}

let line = "";
for await (const text of readable.pipeThrough(new TextDecoderStream())) {
  const lines = (line + text).split("\n");
  line = lines.pop()!;
  for (const job of lines) {
    const result = new TextEncoder().encode(`${JSON.stringify(await run(JSON.parse(job)))}\n`);
    for (let at = 0; at < result.length;) at += print(result.subarray(at));
  }
}
