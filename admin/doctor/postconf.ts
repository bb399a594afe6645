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

/** An entry of master.cf; `text` is the whole entry, to which the lines of `postconf -P` are added as options. */
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
  const services = new Map<string, Service>();
  const options: { key: string; at: Entry; name: string }[] = [];
  const addService = (at: Entry) => {
    const words = at.text.split(/\s+/);
    services.set(`${words[0]}/${words[1]}`, { ...at, name: words[0]!, program: words[7] ?? "" });
  };
  for (const { file, text } of files) {
    for (const { line, source } of logicalLines(text)) {
      const [, name, value] = /^([A-Za-z0-9_-]+)\s*=\s*(.*)$/s.exec(source) ?? [];
      const [, key, option, given] = OF_SERVICE.exec(source) ?? [];
      if (name !== undefined) parameters.push({ name, file, line, text: value!.trim() });
      else if (key !== undefined) options.push({ key, name: option!, at: { file, line, text: given!.trim() } });
      else if (TYPE.test(source.split(/\s+/)[1] ?? "")) addService({ file, line, text: source });
    }
  }
  // `postconf -F` prints the fields of an entry one by one, `postconf -P` the parameters that its options set.
  for (const { key, name, at } of options.filter(({ name }) => name === "command" || name.includes("_"))) {
    const command = name === "command" ? at.text : /^smtpd_/.test(name) ? "smtpd" : undefined;
    const known = services.get(key);
    if (known === undefined && command !== undefined) {
      addService({ ...at, text: `${key.replace(/\/(?=[^/]*$)/, " ")} - - - - - ${command}` });
    }
    const service = services.get(key);
    if (name === "command" || service === undefined) continue;
    // The arguments of pipe(8) end with its argv, so the option is inserted after the program.
    const text = service.text.replace(/^(?:\S+\s+){7}\S+/, (all) => `${all} -o { ${name} = ${at.text} }`);
    services.set(key, { ...service, text });
  }
  return { parameters, services: [...services.values()] };
}

const TYPE = /^(?:unix|inet|fifo|pass|unix-dgram)$/;
/** A line of `postconf -P` or `postconf -F`: the service with its type, the name, and the value. */
const OF_SERVICE = /^(\S+\/(?:unix|inet|fifo|pass|unix-dgram))\/([A-Za-z0-9_-]+)\s*=\s*(.*)$/s;

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
