/** Checks the recent log against the settings. */
import type { Settings } from "../../lib/settings/parse.ts";
import type { Finding } from "./finding.ts";
import type { LogFile } from "./logfile.ts";

/** Days within which most bounces return. */
const BOUNCE_DAYS = 7;

/** Reports mail that was sent with the plain sender while forged bounces are refused. */
export function checkLogged(log: LogFile, settings: Settings, now: Date): Finding[] {
  if (settings.incoming.forged !== "refuse") return [];
  for (const line of log.lines()) {
    const [, stamp = "", direction] = /^time=(\S+) (?:direction|way)=(in|out) /.exec(line.text) ?? [];
    const age = now.getTime() - Date.parse(stamp);
    // Concurrent programs may write lines slightly out of order, hence the extra day.
    if (age > (BOUNCE_DAYS + 1) * 86_400_000) return [];
    if (direction !== "out" || !(age < BOUNCE_DAYS * 86_400_000)) continue;
    if (!/ scheme=plain /.test(line.text) || !/ result=sent\b/.test(line.text)) continue;
    return [{
      id: "plain-sent",
      what: "Mail was sent with the plain sender, while forged bounces are rejected",
      where: { file: log.file, line: log.numberOf(line) },
      why: "Its bounce cannot be distinguished from a forged one, unless it returns your header.",
      fix: 'In [incoming]: forged = "spam"; the line\'s note says why the sender was plain',
    }];
  }
  return [];
}
