/** Shared by the tests that run the real Exim in a root of its own. */
import type { Root } from "./unpacked.ts";

/** Creates Exim's user, and the folders that belong to it. */
export function prepareExim(root: Root): void {
  for (
    const [file, line] of [["etc/passwd", "Debian-exim:x:8:8::/:/bin/sh"], ["etc/group", "Debian-exim:x:8:"]] as const
  ) {
    root.write(file, `${root.read(file)}${line}\n`);
  }
  for (const folder of ["var/spool/exim4", "var/log/exim4"]) root.folder(folder, 8);
}

/** Folders and environment, at the top of exim.conf. */
export const MAIN = `log_file_path = /var/log/exim4/%slog
spool_directory = /var/spool/exim4
keep_environment =
`;

/** Routers, transports and retry rules with which all mail goes to one server. */
export const toSmarthost = (port: number): string =>
  `begin routers
smarthost:
  driver = manualroute
  transport = smtp
  route_list = * 127.0.0.1 byname
  self = send
begin transports
smtp:
  driver = smtp
  port = ${port}
  hosts_try_fastopen =
begin retry
* * F,1h,1m
`;
