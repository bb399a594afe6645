/**
 * Checks the memory limits of the programs that start the hook: those of Postfix, qmail and others, as softlimit(8),
 * systemd or a shell has set them. The launcher itself is started with the same limits, and says what is wrong.
 */
import type { Finding } from "./finding.ts";

/** A running program, with its hard limits in KB; undefined for unlimited. */
export interface LimitedProcess {
  readonly pid: string;
  readonly name: string;
  readonly addressSpace: number | undefined;
  readonly data: number | undefined;
}

/** Runs a program. */
type Run = (argv: readonly string[]) => Promise<{ code: number; out: string; said: string }>;

/** Programs that start the hook, or a program that does. */
const NAMES = "master|qmail-lspawn|qmail-smtpd|tcpserver|exim|exim4|sendmail|sendmail-mta|smtpd|dovecot|cron|crond";

/**
 * Prints pid, name and hard limits of these programs. A shell reads them, because Deno permits reading /proc only
 * together with everything else.
 */
const LIST = `for folder in /proc/[0-9]*; do
  read -r name <$folder/comm || continue
  case $name in ${NAMES}) ;; *) continue ;; esac
  as= data=
  while read -r line; do
    set -- $line
    case $line in "Max address space "*) as=$5 ;; "Max data size "*) data=$5 ;; esac
  done <$folder/limits
  echo "\${folder#/proc/} $name $as $data"
done 2>/dev/null`;

/** Starts a program with these limits in KB. */
const LIMITED = 'ulimit -v "$1" && ulimit -d "$2" && shift 2 && exec "$@"';

/** Returns the running programs that may start the hook. */
export async function limitedProcesses(run: Run): Promise<LimitedProcess[]> {
  const { out } = await run(["/bin/sh", "-c", LIST]);
  const inKb = (bytes: string | undefined) => bytes === undefined || bytes === "unlimited" ? undefined : +bytes / 1024;
  return out.split("\n").filter((line) => line !== "").map((line) => {
    const [pid = "", name = "", addressSpace, data] = line.split(" ");
    return { pid, name, addressSpace: inKb(addressSpace), data: inKb(data) };
  });
}

/** Starts the hook with the limits of each program. @returns a finding for each kind of program with which it fails */
export async function checkLimits(hook: string, processes: readonly LimitedProcess[], run: Run): Promise<Finding[]> {
  const found: Finding[] = [];
  const done = new Set<string>();
  for (const { pid, name, addressSpace, data } of processes) {
    const limits = [addressSpace, data].map((kb) => kb === undefined ? "unlimited" : String(Math.floor(kb)));
    const key = `${name} ${limits.join(" ")}`;
    if (limits.every((one) => one === "unlimited") || done.has(key)) continue;
    done.add(key);
    const { code, said } = await run(["/bin/sh", "-c", LIMITED, "sh", ...limits, hook, "--version"]);
    if (code === 0) continue;
    found.push({
      id: "hook-limits",
      what: `The hook cannot run with the memory limits of ${name} (process ${pid}): ${said || `status ${code}`}`,
      where: { file: `/proc/${pid}/limits` },
      why: `A hook that ${name} starts defers all mail.`,
      fix:
        `Remove the limit where ${name} is started: softlimit in its run script, ulimit, or LimitAS= and LimitDATA= ` +
        "of its systemd unit",
    });
  }
  return found;
}
