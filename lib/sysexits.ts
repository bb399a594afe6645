/** Exit statuses from sysexits.h, which mail programs understand. Hooks use a different table. */
import { Fail, type Kind } from "./fail.ts";

const STATUS: Partial<Record<Kind, number>> = {
  usage: 64,
  data: 65,
  input: 66,
  refused: 69,
  system: 71,
  io: 74,
  temporary: 75,
  permission: 77,
};

/** Returns the exit status for an error: 78 for kinds that are not in the table, 70 for a bug. */
export function sysexit(error: unknown): number {
  return error instanceof Fail ? STATUS[error.kind] ?? 78 : 70;
}
