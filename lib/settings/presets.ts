/**
 * What each mail program supports. Tested with Sendmail 8.17.1.9,
 * Postfix 3.7.11, Exim 4.96, msmtp 1.8.23, nullmailer 2.2, dma 0.13, notqmail 1.09.
 */
import { formatAddress } from "../address.ts";
import type { Dsn, Envelope } from "../envelope.ts";
import { Fail, quote } from "../fail.ts";

/** The properties of a mail program. */
interface Preset {
  /** The program to use when `transport.command` is not set. */
  readonly program: string;
  /** Arguments before the sender. */
  readonly options: readonly string[];
  /** How the null sender is written; undefined when the program cannot send with it. */
  readonly nullSender: string | undefined;
  /** The DSN options that it supports. Others are ignored or cause errors. */
  readonly dsn: readonly (keyof Dsn)[];
  /** Whether `"a b"@x` is passed on unchanged. */
  readonly quotedLocal: boolean;
  /** Whether a recipient may begin with `-`. */
  readonly dash: boolean;
  /** Whether a NUL in the body is preserved. */
  readonly nul: boolean;
  /** Exit statuses that are permanent according to sysexits.h, but that the program also uses for temporary errors. */
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
  // -a takes recipients from the arguments only. An empty -f is the null sender; "<>" would become <"<>"@host>.
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
  // -V is rejected; "a b"@x is mangled. 68 is also used without network, 69 for 4xx replies, 76 for a 421 greeting.
  msmtp: {
    ...sendmail,
    program: "/usr/bin/msmtp",
    dsn: ["notify", "ret"],
    quotedLocal: false,
    soft: [68, 69, 76],
  },
  // Its sendmail drops "--" and fails for -x@y; the quotes of a local part are lost.
  nullmailer: { ...sendmail, dsn: [], quotedLocal: false, dash: false },
  // It cannot send with the null sender; "a,b"@x is cut at the comma, and a line at a NUL.
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
 * Returns the argument vector for a mail program.
 *
 * @param command the user's program and first arguments; empty for the program of the preset
 * @throws {Fail} `refused` when the program cannot send the message as requested
 */
export function argumentsFor(preset: string, command: readonly string[], envelope: Envelope): string[] {
  const takes = presetOf(preset);
  const { sender, recipients, dsn } = envelope;
  const refuse = (what: string) => new Fail("refused", `${preset} does not support ${what}`);

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

/** Returns the program that sends the mail: the user's, or that of the preset. */
export function programOf(preset: string, command: readonly string[]): string {
  return command[0] ?? presetOf(preset).program;
}

/** Returns the exit status of the program, or 75 if it may mean a temporary error. */
export function statusFor(preset: string, status: number): number {
  return presetOf(preset).soft?.includes(status) ? 75 : status;
}

/**
 * Returns whether the user's options make the program print its SMTP sessions to standard output: `-v` of Sendmail and
 * msmtp, and msmtp's `-d` and `--debug`. Without them nothing reads its standard output, because a process that it
 * leaves running would fail when it prints.
 */
export function printsSessions(command: readonly string[]): boolean {
  return command.slice(1).some((word) => word === "-v" || word === "-d" || word === "--debug");
}

/**
 * Returns a check for each chunk that rejects what the program would change; undefined when there is nothing to check.
 */
export function inspectorFor(preset: string): ((chunk: Uint8Array) => void) | undefined {
  if (presetOf(preset).nul) return undefined;
  return (chunk) => {
    if (chunk.indexOf(0) >= 0) throw new Fail("data", `${preset} does not support messages that contain NUL`);
  };
}

function presetOf(name: string): Preset {
  const found = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (found === undefined) throw new Fail("config", `Unknown preset ${quote(name)}`);
  return found;
}
