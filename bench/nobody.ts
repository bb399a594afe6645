/** A hook as an MTA may start it: by a user who has no home, and whom nobody asked for a cache. */
import { CREATED, SECRET } from "../tests/rig.ts";
import { type BenchHome, TIMES } from "./home.ts";
import { QMAIL } from "./in.ts";
import { measure } from "./measure.ts";
import { genuine, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

const SETPRIV = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/** Measures one small bounce; nothing for whoever may not become another user. */
export async function nobody(ground: BenchHome): Promise<Table[]> {
  if (Deno.uid() !== 0) {
    console.error("bench: a hook as user nobody is not measured: that needs root");
    return [];
  }
  const prefix = await ground.installed();
  const input = genuine(ground, SIZES["2 KB"]);
  const own = ground.folder("nobody");
  Deno.chmodSync(ground.path, 0o755); // the prefix is below it, and can be read by all
  const config = `state.folder = "${own}/state"\n[[identity]]\naddress = "greg@example.org"\n` +
    `srs_domain = "srs.example.org"\n${ground.way()}`;
  ground.write("nobody/config.toml", config);
  ground.write("nobody/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
  const owned = await ground.run(["/bin/chown", "-R", "nobody:nogroup", own]);
  if (owned.code !== 0) throw new Error(owned.stderr);
  const env = { PATH: "/usr/sbin:/usr/bin:/bin", HOME: "/nonexistent", COUNTERSIGN_CONFIG: `${own}/config.toml` };
  const hook = [...SETPRIV, `${prefix}/lib/countersign/hooks/incoming`];
  // The installed binary, as the launcher takes it: that of the checkout may be closed to others.
  const empty = [...SETPRIV, `${prefix}/lib/countersign/deno`, ...ground.deno(ground.empty).slice(1)];
  const rows = await measure([
    ground.subject("an empty Deno script", empty, input, { env }),
    ground.subject("hook, genuine, installed", hook, input, { env: { ...env, ...QMAIL } }),
  ], TIMES);
  return [{ title: "in, 2 KB, as nobody", rows }];
}
