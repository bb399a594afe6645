/** Finds the call of the hook in a line of a mail filter. */

/** A call of the hook. */
export interface HookCall {
  /** The program, as it is written. */
  readonly program: string;
  /** The value of `--as`; undefined without one. */
  readonly as: string | undefined;
  /** Whether an option names a destination. */
  readonly delivers: boolean;
  /** Whether --config is given. */
  readonly config: boolean;
  /** Whether its output is piped to another program. */
  readonly piped: boolean;
}

/** Returns the call of the hook in a command; undefined if there is none. */
export function hookCall(command: string): HookCall | undefined {
  const [, program, rest] = /(?:^|[\s|"'`=])([^\s|"'`=]*\/incoming)(?=$|[\s|"'`;&>])(.*)$/s.exec(command) ?? [];
  if (program === undefined || rest === undefined) return undefined;
  return {
    program,
    as: /\s--as[=\s]\s*"?([\w-]+)/.exec(rest)?.[1],
    delivers: /\s--(?:maildir|mbox|forward)\b/.test(rest),
    config: /\s--config\b/.test(rest),
    piped: /^[^|"'`]*\|(?!\|)/.test(rest),
  };
}

/** Whether a file has a line that calls the hook and is not a comment. */
export function callsHook(text: string): boolean {
  return text.split("\n").some((line) => !/^\s*#/.test(line) && hookCall(line) !== undefined);
}

/** Returns the fix for a hook that cannot be run. @param trouble why, as `Programs.trouble` says */
export const unusableFix = (program: string, trouble: string): string =>
  trouble === "is not executable" ? `chmod a+x ${program}` : `Correct the path, or in a checkout: ${install(program)}`;

/** Returns the command that installs a program again where it is. */
export function install(program: string): string {
  const [, prefix] = /^(\/.*)\/(?:lib\/countersign\/hooks\/incoming|bin\/shim)$/.exec(program) ?? [];
  return `deno task install${prefix === undefined ? "" : ` --prefix ${prefix}`}`;
}
