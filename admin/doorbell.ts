/** `countersign doorbell`: the hook, and the command that manages held messages and remembered addresses. */
import { doorbell as hook } from "../hooks/doorbell.ts";

/** Runs the hook or the command. @returns the exit status */
export function doorbell(name: string, args: readonly string[]): Promise<number> {
  return hook(name, args);
}
