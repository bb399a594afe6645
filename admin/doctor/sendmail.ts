/**
 * Checks how Sendmail uses the sockets of `countersign serve`: sendmail.cf, and the folders that it requires to be
 * safe.
 */
import { type PathInfo, pathInfo } from "./filesystem.ts";
import { type Finding, findingsOf, type TextFile } from "./finding.ts";
import type { MilterContext } from "./milters.ts";

/** A filter, from a line such as `Xcountersign-sign, S=local:/run/countersign/sign, F=T`. */
interface Filter {
  readonly name: string;
  readonly line: number;
  readonly role: "door" | "sign" | "other";
  readonly socket: string;
  /** `T` and `4` defer, `R` rejects, and without them mail passes if the filter fails. */
  readonly failure: string;
}

/** A port, from `O DaemonPortOptions`. */
interface Daemon {
  readonly name: string;
  readonly port: string;
  readonly line: number;
  readonly filters: readonly string[];
}

const SMTP = ["smtp", "25"];
const SUBMISSION = ["submission", "submissions", "smtps", "587", "465"];

/** Checks sendmail.cf. Nothing is reported if Sendmail uses none of the sockets. @param info looks up a path */
export function checkSendmail(
  { file, text }: TextFile,
  { folder, logins }: MilterContext,
  info: (path: string) => PathInfo = pathInfo,
): Finding[] {
  const { filters, daemons } = parse(text, folder);
  const used = filters.filter(({ role }) => role !== "other");
  if (used.length === 0) return [];
  const { list, add } = findingsOf(file);
  const [{ line, socket }] = used as [Filter, ...Filter[]];
  const open = unsafeFolder(socket, info);
  if (open !== undefined) {
    const mode = (open.mode & 0o7777).toString(8);
    add(
      "sendmail-folder",
      `Sendmail does not use the sockets in ${folder}: ${open.path} has mode ${mode}`,
      line,
      "It ignores a socket below a folder that a group or others can write to: port 25 accepts everything, and mail " +
        "that is submitted is deferred or unsigned.",
      `chmod g-w,o-w ${open.path}`,
    );
  }
  for (const { name, line, role, failure } of used) {
    const defers = /[T4]/.test(failure);
    if (role === "sign" && !defers) {
      const why =
        "While countersign serve is down, mail is sent unsigned and is not remembered, so that its bounces look forged.";
      add("milter-sign-action", `Filter ${name} has no F=T`, line, why, `F=T in MAIL_FILTER(\`${name}', …)`);
    }
    if (role === "door" && /[RT4]/.test(failure)) {
      const why = "While countersign serve is down, Sendmail defers or rejects all incoming mail.";
      add("milter-door-action", `Filter ${name} has F=${failure}`, line, why, "Remove F= from its MAIL_FILTER");
    }
  }
  for (const daemon of daemons) checkDaemon(daemon, filters, logins, add);
  return list;
}

function checkDaemon(
  { name, port, line, filters }: Daemon,
  all: readonly Filter[],
  logins: boolean,
  add: ReturnType<typeof findingsOf>["add"],
): void {
  const own = filters.flatMap((one) => all.find(({ name }) => name === one) ?? []);
  const sign = own.findIndex(({ role }) => role === "sign");
  const fix = (role: string) =>
    `InputMailFilters=${all.find((one) => one.role === role)?.name ?? `countersign-${role}`}`;
  const early = own.slice(0, Math.max(sign, 0)).find(({ role }) => role === "other");
  if (early !== undefined) {
    const why = "A DKIM signature that is added first does not cover X-Msgauth, and breaks if a signed field changes.";
    add(
      "milter-order",
      `${early.name} comes before ${own[sign]!.name} in the filters of ${name}`,
      line,
      why,
      fix("sign"),
    );
  }
  if (SMTP.includes(port)) {
    if (sign >= 0) {
      const why = "Mail from strangers passes through the socket that signs, and the door does not check it.";
      add("milter-sign-on-25", `The socket sign is used on port 25 (${name})`, line, why, fix("door"));
    } else if (!own.some(({ role }) => role === "door")) {
      const why = "Forged bounces are accepted, and the hook files them.";
      add("milter-door-missing", `Port 25 (${name}) does not use the socket door`, line, why, fix("door"));
    }
  } else if (SUBMISSION.includes(port) && sign < 0 && logins) {
    const why = "Mail from clients leaves unsigned, so its bounces look forged.";
    add("milter-sign-missing", `Port ${port} (${name}) does not use the socket sign`, line, why, fix("sign"));
  }
}

function parse(text: string, folder: string): { filters: Filter[]; daemons: Daemon[] } {
  const filters: Filter[] = [];
  const ports: { options: Map<string, string>; line: number }[] = [];
  let common = "";
  for (const [index, source] of text.split("\n").entries()) {
    const line = index + 1;
    const [, name, equates] = /^X([\w-]+)\s*,(.*)$/.exec(source) ?? [];
    if (name !== undefined) {
      const values = options(equates!);
      const socket = /^(?:local|unix):(.*)$/.exec(values.get("S") ?? "")?.[1] ?? "";
      const role = (["door", "sign"] as const).find((one) => socket === `${folder}/${one}`) ?? "other";
      filters.push({ name, line, role, socket, failure: values.get("F") ?? "" });
    }
    const [, option, value] = /^O\s*(DaemonPortOptions|InputMailFilters)\s*=\s*(.*)$/.exec(source) ?? [];
    if (option === "InputMailFilters") common = value!;
    else if (value !== undefined) ports.push({ options: options(value), line });
  }
  const daemons = ports.map(({ options, line }): Daemon => {
    const list = (options.get("I") ?? common).split(/[\s;,]+/).filter((one) => one !== "");
    const port = (options.get("P") ?? "smtp").toLowerCase();
    return { name: options.get("N") ?? `port ${port}`, port, line, filters: list };
  });
  return { filters, daemons };
}

/** Returns the values of `key=value, …` by the first letter of the key, which is all that Sendmail reads. */
function options(text: string): Map<string, string> {
  return new Map(
    text.split(",").flatMap((one) => {
      const [, key, value] = /^\s*(\w)\w*\s*=\s*(.*?)\s*$/.exec(one) ?? [];
      return key === undefined ? [] : [[key, value!] as const];
    }),
  );
}

/** Returns the first folder above a socket that others than its owner can write to, and that is not sticky. */
function unsafeFolder(socket: string, info: (path: string) => PathInfo): PathInfo | undefined {
  for (let path = socket; path.lastIndexOf("/") > 0;) {
    path = path.slice(0, path.lastIndexOf("/"));
    const found = info(path);
    if (found.kind === "folder" && (found.mode & 0o022) !== 0 && (found.mode & 0o1000) === 0) return found;
  }
  return undefined;
}
