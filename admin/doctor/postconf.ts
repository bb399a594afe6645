/** Reads main.cf and master.cf, and what postconf prints: `name = value`, and services of pipe(8), smtpd(8) and others. */
import type { TextFile } from "./finding.ts";

/** Something with the place where it stands. */
export interface Entry {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** A parameter. */
export interface Parameter extends Entry {
  readonly name: string;
}

/** A line of master.cf; its text is the whole of it. */
export interface Service extends Entry {
  readonly name: string;
  readonly program: string;
}

/** Parameters by name, `$name` in them filled in. */
export interface Parameters {
  entry(name: string): Entry | undefined;
  text(name: string): string;
  all(): readonly Parameter[];
}

/** All that these files say, in order. */
export function entries(files: readonly TextFile[]): { parameters: Parameter[]; services: Service[] } {
  const parameters: Parameter[] = [];
  const services: Service[] = [];
  for (const { file, text } of files) {
    for (const { line, source } of logicalLines(text)) {
      const [, name, value] = /^([A-Za-z0-9_-]+)\s*=\s*(.*)$/s.exec(source) ?? [];
      if (name !== undefined) {
        parameters.push({ name, file, line, text: value!.trim() });
        continue;
      }
      const words = source.split(/\s+/);
      if (!/^(?:unix|inet|fifo|pass|unix-dgram)$/.test(words[1] ?? "")) continue;
      services.push({ name: words[0]!, program: words[7] ?? "", file, line, text: source });
    }
  }
  return { parameters, services };
}

/** The last of a name counts. */
export function parametersOf(parameters: readonly Parameter[]): Parameters {
  const entry = (name: string) => parameters.findLast((one) => one.name === name);
  const text = (name: string, depth = 0): string =>
    (entry(name)?.text ?? "").replace(/\$\{?(\w+)\}?/g, (whole, inner) => {
      return depth > 8 || entry(inner) === undefined ? whole : text(inner, depth + 1);
    });
  return { entry, text: (name) => text(name), all: () => parameters };
}

/** White space in front goes on with the line before; comments and blank lines do not part. */
function logicalLines(text: string): { line: number; source: string }[] {
  const out: { line: number; source: string }[] = [];
  for (const [index, one] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(one)) continue;
    if (/^\s/.test(one) && out.length > 0) out.at(-1)!.source += ` ${one.trim()}`;
    else out.push({ line: index + 1, source: one.trim() });
  }
  return out;
}
