/** Parses main.cf, master.cf and the output of postconf: parameters, and services such as pipe(8) and smtpd(8). */
import type { TextFile } from "./finding.ts";

/** A text with its file and line. */
export interface Entry {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** A parameter. */
export interface Parameter extends Entry {
  readonly name: string;
}

/** An entry of master.cf; `text` is the whole entry. */
export interface Service extends Entry {
  readonly name: string;
  readonly program: string;
}

/** Access to parameters by name; `text` expands `$name`. */
export interface Parameters {
  entry(name: string): Entry | undefined;
  text(name: string): string;
  all(): readonly Parameter[];
}

/** Returns the parameters and services of the files, in order. */
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

/** Returns access to the parameters; the last one of a name counts. */
export function parametersOf(parameters: readonly Parameter[]): Parameters {
  const entry = (name: string) => parameters.findLast((one) => one.name === name);
  const text = (name: string, depth = 0): string =>
    (entry(name)?.text ?? "").replace(/\$\{?(\w+)\}?/g, (whole, inner) => {
      return depth > 8 || entry(inner) === undefined ? whole : text(inner, depth + 1);
    });
  return { entry, text: (name) => text(name), all: () => parameters };
}

/** Joins lines that begin with white space with the previous one; comments and blank lines in between are ignored. */
function logicalLines(text: string): { line: number; source: string }[] {
  const out: { line: number; source: string }[] = [];
  for (const [index, one] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(one)) continue;
    if (/^\s/.test(one) && out.length > 0) out.at(-1)!.source += ` ${one.trim()}`;
    else out.push({ line: index + 1, source: one.trim() });
  }
  return out;
}
