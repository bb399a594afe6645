/** A budget, and how it was judged. */

/** One budget: a figure of a row, in relation to that of another row of the same run. */
export interface Budget {
  readonly name: string;
  /** What is compared, in words. */
  readonly compares: string;
  /** Wall time, memory, or how often in a second. */
  readonly figure: "ms" | "mb" | "rate";
  /** Table and row that are judged. */
  readonly of: readonly [table: string, row: string];
  /** Table and row of the same group that it is divided by. */
  readonly to: readonly [table: string, row: string];
  readonly most?: number;
  readonly least?: number;
}

/** A budget and what came of it; undefined where one of its rows was not measured on this machine. */
export interface Judged {
  readonly budget: Budget;
  readonly is: number | undefined;
  readonly holds: boolean | undefined;
}
