/** The account of the system that a login uses. */
export interface Account {
  /** The name of the user. */
  readonly user: string;
  /** The home directory, if it is not that of the user; otherwise empty. */
  readonly home: string;
}
