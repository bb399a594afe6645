/** The store of this process: Redis, or the files of the state folder if the socket provides access to them. */
import { errorText, Fail } from "../../lib/fail.ts";
import { asksLookup } from "../../lib/settings/lookup.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { handOver, useStore } from "../../io/state/stores.ts";
import { readCertificates, readPassword } from "../../io/system/load.ts";
import type { NamedStore } from "./answers.ts";

/**
 * Interval in milliseconds at which mail that was not remembered is reported to the store. The door of another host must
 * know about it before bounces of this mail return.
 */
const HAND_OVER_MS = 15_000;

/** The store, while it is open. */
export interface OpenStore extends NamedStore {
  close(): void;
}

/**
 * Opens the store that the settings name, and uses it for all lookups of this process.
 *
 * @param report receives the error when Redis cannot be reached; each later request tries to connect again
 * @returns undefined when each program reads and writes the files directly
 * @throws {Fail} `config` for a Redis that may lose confirmed writes
 */
export async function openStore(
  settings: Settings,
  report: (what: string) => void,
  every = HAND_OVER_MS,
): Promise<OpenStore | undefined> {
  if (!asksLookup(settings)) return undefined;
  const { folder, redis, redis_password_file, redis_ca } = settings.state;
  if (redis === "") {
    const store = (await import("../../io/state/shared/files.ts")).fileStore(folder);
    return { kind: "files", store, close: useStore(settings, store) };
  }
  const { RedisStore } = await import("../../io/state/shared/redis.ts");
  const store = new RedisStore(redis, {
    password: redis_password_file === "" ? undefined : readPassword(redis_password_file),
    ca: redis_ca === "" ? undefined : readCertificates(redis_ca),
  });
  try {
    await store.check();
  } catch (error) {
    if (!(error instanceof Fail) || error.kind !== "temporary") {
      store.close();
      throw error;
    }
    report(errorText(error));
  }
  const release = useStore(settings, store);
  const timer = setInterval(() => void handOver(settings, store), every);
  Deno.unrefTimer(timer);
  return {
    kind: "redis",
    store,
    close() {
      clearInterval(timer);
      release();
      store.close();
    },
  };
}
