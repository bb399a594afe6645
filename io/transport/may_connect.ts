/** Checks whether the sandbox permits a connection. */
import { Fail } from "../../lib/fail.ts";

/** Fails if this program may not connect. @param server as `host:port` @throws {Fail} `config` */
export function checkMayConnect(server: string): void {
  if (Deno.permissions.querySync({ name: "net", host: server }).state === "granted") return;
  throw new Fail("config", `No permission to connect to ${server}`, { fix: "countersign sandbox" });
}
