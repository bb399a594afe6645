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

/** The parts of contrib/exim/door/exim.conf, each below a comment that says where it belongs. */
export function doorParts(text: string): Record<"main" | "rcpt" | "data" | "routers" | "transport", string> {
  const [, main, rcpt, data, routers, transport] = text.split(/^# .*\n(?:# .*\n)*/m);
  return { main: main!, rcpt: rcpt!, data: data!, routers: routers!, transport: transport! };
}

/** The main section of an Exim that listens on this port. @param main lines that are added to it */
export const listening = (port: number, main: string): string =>
  `primary_hostname = mx.example.org
${MAIN}${main}
tls_advertise_hosts =
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
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
