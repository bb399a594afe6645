/** The store of this process: Redis, or the files of the state folder if the socket provides access to them. */
import { errorText, Fail } from "../../lib/fail.ts";
import { asksLookup } from "../../lib/settings/lookup.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { lastForgotten, noteForgotten } from "../../io/state/forgotten.ts";
import { reportForgotten, useStore } from "../../io/state/stores.ts";
import { readCertificates, readPassword } from "../../io/system/load.ts";
import { PRESENCE_TIMES, type PresenceTimes } from "../../io/state/shared/presence.ts";
import { hostId } from "./host.ts";
import type { NamedStore } from "./answers.ts";

/** The store, while it is open. */
export interface OpenStore extends NamedStore {
  /** Announces that this process exits, before it stops remembering sent mail. */
  retire(): Promise<void>;
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
  times: PresenceTimes = PRESENCE_TIMES,
): Promise<OpenStore | undefined> {
  if (!asksLookup(settings)) return undefined;
  const { folder, redis, redis_password_file, redis_ca } = settings.state;
  if (redis === "") {
    const store = (await import("../../io/state/shared/files.ts")).fileStore(folder);
    return { kind: "files", store, retire: () => Promise.resolve(), close: useStore(settings, store) };
  }
  const { RedisStore } = await import("../../io/state/shared/redis.ts");
  const { presentIn } = await import("../../io/state/shared/presence.ts");
  const connection = new RedisStore(redis, {
    password: redis_password_file === "" ? undefined : readPassword(redis_password_file),
    ca: redis_ca === "" ? undefined : readCertificates(redis_ca),
  });
  const forget = () => noteForgotten(folder, new Date(), "unreported");
  const store = presentIn(connection, {
    id: hostId(folder, report),
    noteForgotten: forget,
    allReported: () => lastForgotten(folder, "unreported") === undefined,
  }, times);
  // The store must know what was not remembered before it learns that this host remembers sent mail.
  const tell = async () => {
    await reportForgotten(settings, store);
    await store.report();
  };
  let unsafe = "";
  const tick = async () => {
    try {
      // With other settings, Redis may have lost records by the time these are restored.
      await connection.check();
      unsafe = "";
    } catch (error) {
      if (!(error instanceof Fail) || error.kind !== "config") throw error;
      if (unsafe !== error.message) report(errorText(error));
      unsafe = error.message;
      forget();
    }
    if (unsafe === "") await tell();
  };
  try {
    await connection.check();
    await tell().catch(() => {});
  } catch (error) {
    if (!(error instanceof Fail) || error.kind !== "temporary") {
      connection.close();
      throw error;
    }
    report(errorText(error));
  }
  const release = useStore(settings, store);
  const timer = setInterval(() => void tick().catch(() => {}), times.every);
  Deno.unrefTimer(timer);
  return {
    kind: "redis",
    store,
    retire: () => store.retire(),
    close() {
      clearInterval(timer);
      release();
      connection.close();
    },
  };
}
