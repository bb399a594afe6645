/** The id of this host, by which others see in Redis that it reports. */
import { reason } from "../../lib/fail.ts";
import { readIfPresent } from "../../io/system/files.ts";

/**
 * Returns the id in the file `host` of the state folder, which is created with a random one. If that fails, the error
 * is reported, and the id is not kept: after this process exits, doors wait for this host, and leave more to the hook.
 */
export function hostId(folder: string, report: (what: string) => void): string {
  const path = `${folder}/host`;
  try {
    const id = readIfPresent(path)?.trim() ?? create(folder, path);
    if (/^[\w-]{8,64}$/.test(id)) return id;
    report(`${path}: File does not contain the id of this host: rm ${path}`);
  } catch (error) {
    report(`${path}: Id of this host cannot be read or created: ${reason(error)}`);
  }
  return crypto.randomUUID();
}

function create(folder: string, path: string): string {
  const id = crypto.randomUUID();
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(`${path}.new`, `${id}\n`, { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path); // a crash leaves no empty file
  return id;
}
