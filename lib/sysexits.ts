/** Exit statuses of failed programs: sysexits(3), which every mail program knows. Hooks have a table of their own. */
import { Fail, type Kind } from "./fail.ts";

const STATUS: Partial<Record<Kind, number>> = {
  usage: 64,
  data: 65,
  refused: 69,
  system: 71,
  io: 74,
  temporary: 75,
  permission: 77,
};

/** The status for what was thrown: what is left of our own kinds is a matter of the settings, all else a bug. */
export function sysexit(error: unknown): number {
  return error instanceof Fail ? STATUS[error.kind] ?? 78 : 70;
}
