/** A budget and its result. */

/** A limit for the ratio of a figure of one row to that of another row, or for the figure itself. */
export interface Budget {
  readonly name: string;
  /** A description of what is compared. */
  readonly compares: string;
  /** Wall-clock time, memory, or a rate per second. */
  readonly figure: "ms" | "mb" | "rate";
  /** Table and row that the budget limits. */
  readonly row: readonly [table: string, row: string];
  /** Table and row that its figure is divided by; absent if the figure itself is limited. */
  readonly baseline?: readonly [table: string, row: string];
  readonly maximum?: number;
  readonly minimum?: number;
}

/** A budget and its result, which is undefined if one of its rows was not measured on this machine. */
export interface Judged {
  readonly budget: Budget;
  readonly ratio: number | undefined;
  readonly holds: boolean | undefined;
}
