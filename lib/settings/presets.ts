/**
 * What each mail program can and cannot take. Measured on Sendmail 8.17.1.9,
 * Postfix 3.7.11, Exim 4.96, msmtp 1.8.23, nullmailer 2.2, dma 0.13, notqmail 1.09.
 */
import { formatAddress } from "../address.ts";
import type { Dsn, Envelope } from "../envelope.ts";
import { Fail, quote } from "../fail.ts";

/** What one program takes. */
interface Preset {
  /** The program where `transport.command` names none. */
  readonly program: string;
  /** Arguments before the sender. */
  readonly options: readonly string[];
  /** How the null sender is spelt; undefined: it cannot be sent with it. */
  readonly nullSender: string | undefined;
  /** DSN arguments that it acts on; others break it or are not understood. */
  readonly dsn: readonly (keyof Dsn)[];
  /** Does `"a b"@x` arrive whole? */
  readonly quotedLocal: boolean;
  /** Does a recipient that begins with `-` survive? */
  readonly dash: boolean;
  /** Does a NUL in the body survive? */
  readonly nul: boolean;
  /** Statuses that sysexits(3) calls permanent, and that it gives for troubles that pass, too. */
  readonly soft?: readonly number[];
}

const sendmail: Preset = {
  program: "/usr/sbin/sendmail",
  options: ["-i"],
  nullSender: "<>",
  dsn: ["notify", "ret", "envid"],
  quotedLocal: true,
  dash: true,
  nul: true,
};

const PRESETS: Record<string, Preset> = {
  // -a: recipients are the arguments alone. An empty -f is the null sender; "<>" would become <"<>"@host>.
  "qmail-inject": {
    ...sendmail,
    program: "/var/qmail/bin/qmail-inject",
    options: ["-a"],
    nullSender: "",
    dsn: [],
  },
  sendmail,
  postfix: sendmail,
  // Exim reads -N as "do not deliver" and -R as a queue run.
  exim: { ...sendmail, program: "/usr/sbin/exim4", dsn: [] },
  // -V is refused; "a b"@x is mangled. 68: no DNS, as on a train; 69: also for every answer 4xx; 76: also a greeting 421.
  msmtp: {
    ...sendmail,
    program: "/usr/bin/msmtp",
    dsn: ["notify", "ret"],
    quotedLocal: false,
    soft: [68, 69, 76],
  },
  // Its sendmail swallows "--" and breaks on -x@y; the quotes of a local part are lost.
  nullmailer: { ...sendmail, dsn: [], quotedLocal: false, dash: false },
  // Three spellings of the null sender, none of which it sends; "a,b"@x is cut at its comma; so is a line at a NUL.
  dma: {
    ...sendmail,
    program: "/usr/sbin/dma",
    nullSender: undefined,
    dsn: [],
    quotedLocal: false,
    nul: false,
  },
};

/** The programs that `transport.preset` can name. */
export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/**
 * The argument vector for this program.
 *
 * @param command the user's program and first arguments; empty: the preset's
 * @throws {Fail} `refused`: the program would send something else than was asked
 */
export function argumentsFor(preset: string, command: readonly string[], envelope: Envelope): string[] {
  const takes = presetOf(preset);
  const { sender, recipients, dsn } = envelope;
  const refuse = (what: string) => new Fail("refused", `${preset} cannot take ${what}`);

  const argv = [programOf(preset, command), ...command.slice(1), ...takes.options];
  if (sender === null) {
    if (takes.nullSender === undefined) throw refuse("the null sender");
    argv.push("-f", takes.nullSender);
  } else if (sender !== undefined) argv.push("-f", formatAddress(sender));
  const flags = { notify: "-N", ret: "-R", envid: "-V" } as const;
  for (const name of takes.dsn) {
    if (dsn[name] !== undefined) argv.push(flags[name], dsn[name]);
  }
  for (const recipient of recipients) {
    const text = formatAddress(recipient);
    if (recipient.local.includes('"') && !takes.quotedLocal) throw refuse(`the quoted recipient ${quote(text)}`);
    if (text.startsWith("-") && !takes.dash) throw refuse(`recipient ${quote(text)}, which begins with a dash`);
  }
  return [...argv, "--", ...recipients.map(formatAddress)];
}

/** The program that takes the mail: the user's, or the preset's own. */
export function programOf(preset: string, command: readonly string[]): string {
  return command[0] ?? presetOf(preset).program;
}

/** The program's status, 75 where it does not tell permanent from temporary. */
export function statusFor(preset: string, status: number): number {
  return presetOf(preset).soft?.includes(status) ? 75 : status;
}

/** Refuses what the program would send in another form. */
export function inspectorFor(preset: string): ((chunk: Uint8Array) => void) | undefined {
  if (presetOf(preset).nul) return undefined;
  return (chunk) => {
    if (chunk.indexOf(0) >= 0) throw new Fail("data", `${preset} cannot take a message with a NUL`);
  };
}

function presetOf(name: string): Preset {
  const found = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (found === undefined) throw new Fail("config", `Unknown preset ${quote(name)}`);
  return found;
}
