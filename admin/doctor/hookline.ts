/** Finds the hook in a line of somebody's mail filter. */

/** The options of a hook, as a filter's line gives them. */
export interface HookCall {
  /** The program, as it is written. */
  readonly program: string;
  /** The value of `--as`; undefined without one. */
  readonly as: string | undefined;
  /** Has it a place of its own to deliver to? */
  readonly delivers: boolean;
  /** Are the settings named? */
  readonly config: boolean;
  /** Its output goes to another program. */
  readonly piped: boolean;
}

/** The hook's call in a command; undefined when it is not there. */
export function hookCall(command: string): HookCall | undefined {
  const [, program, rest] = /(?:^|[\s|"'`=])([^\s|"'`=]*\/incoming)(?=$|[\s|"'`;&>])(.*)$/s.exec(command) ?? [];
  if (program === undefined || rest === undefined) return undefined;
  return {
    program,
    as: /\s--as[=\s]\s*"?([\w-]+)/.exec(rest)?.[1],
    delivers: /\s--(?:maildir|forward)\b/.test(rest),
    config: /\s--config\b/.test(rest),
    piped: /^[^|"'`]*\|(?!\|)/.test(rest),
  };
}
