/** Prepares the state and removes what has expired: there may be no shim or hook that uses the folder. */
import type { Settings } from "../lib/settings/parse.ts";
import { prepareForgotten } from "../io/state/forgotten.ts";
import { expireDaily } from "../io/state/expire.ts";
import { prepareSent } from "../io/state/sent.ts";

/** Interval in milliseconds between checks. Files are removed once a day. */
const CLEAN_MS = 3_600_000;

/**
 * Removes what has expired, now and every hour, without keeping the program alive.
 *
 * @returns a function that stops it
 */
export function cleanHourly(settings: () => Settings, every = CLEAN_MS): () => void {
  const prepare = () => {
    const { folder, redis, lookup } = settings().state;
    if (redis === "") {
      prepareSent(`${folder}/sent`);
      prepareForgotten(folder);
      if (lookup !== "") prepareForgotten(folder, "unreported");
    }
    return folder;
  };
  const clean = () => {
    const folder = prepare();
    void expireDaily(folder, "serve", new Date(), () => {});
  };
  clean();
  const timer = setInterval(clean, every);
  Deno.unrefTimer(timer);
  return () => {
    clearInterval(timer);
    prepare(); // the next process must know what this one could not write
  };
}
