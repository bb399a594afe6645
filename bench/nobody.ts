/** A hook as an MTA may run it: as a user without a home and without a cache of Deno. */
import { CREATED, SECRET } from "../build/rig/home.ts";
import { type BenchHome, TIMES } from "./home.ts";
import { QMAIL } from "./in.ts";
import { measure } from "./measure.ts";
import { genuine, SIZES } from "./messages.ts";
import type { Table } from "./report.ts";

const SETPRIV = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/** Measures one small bounce. Without root it measures nothing, as it cannot change to another user. */
export async function nobody(home: BenchHome): Promise<Table[]> {
  if (Deno.uid() !== 0) {
    console.error("bench: The hook as user nobody is not measured, because this requires root");
    return [];
  }
  const prefix = await home.installed();
  const input = genuine(home, SIZES["2 KB"]);
  const own = home.folder("nobody");
  Deno.chmodSync(home.path, 0o755); // the installed programs are below it and must be readable by all
  const config = `state.folder = "${own}/state"\n[[identity]]\naddress = "greg@example.org"\n` +
    `srs_domain = "srs.example.org"\n${home.transports()}`;
  home.write("nobody/config.toml", config);
  home.write("nobody/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
  const owned = await home.run(["/bin/chown", "-R", "nobody:nogroup", own]);
  if (owned.code !== 0) throw new Error(owned.stderr);
  const env = { PATH: "/usr/sbin:/usr/bin:/bin", HOME: "/nonexistent", COUNTERSIGN_CONFIG: `${own}/config.toml` };
  const hook = [...SETPRIV, `${prefix}/lib/countersign/hooks/incoming`];
  // The installed binary, because the one that runs this may be inaccessible to other users.
  const empty = [...SETPRIV, `${prefix}/lib/countersign/deno`, ...home.deno(home.empty).slice(1)];
  const rows = await measure([
    home.subject("an empty Deno script", empty, input, { env }),
    home.subject("hook, genuine, installed", hook, input, { env: { ...env, ...QMAIL } }),
  ], TIMES);
  return [{ title: "in, 2 KB, as nobody", rows }];
}
