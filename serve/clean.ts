/** Removes expired state, where perhaps no shim and no hook uses the folder. */
import type { Settings } from "../lib/settings/parse.ts";
import { expireDaily } from "../io/state/expire.ts";

/** How often expired files are looked for, in milliseconds; once a day some are found. */
const CLEAN_MS = 3_600_000;

/** Removes what has expired, now and every hour, without keeping the program alive. @returns ends that */
export function cleanHourly(settings: () => Settings, every = CLEAN_MS): () => void {
  const clean = () => void expireDaily(settings().state.folder, "serve", new Date(), () => {});
  clean();
  const timer = setInterval(clean, every);
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}
