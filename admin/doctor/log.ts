/** The log of the last weeks, against the settings. */
import type { Settings } from "../../lib/config.ts";
import type { Finding, TextFile } from "./finding.ts";

/** Days that a bounce may take to come back. */
const DAYS = 7;

/** Mail that left with the plain sender, while forged bounces are refused. */
export function checkLogged(log: TextFile, settings: Settings, now: Date): Finding[] {
  if (settings.incoming.forged !== "refuse") return [];
  const lines = log.text.split("\n");
  const index = lines.findLastIndex((line) => {
    const [, stamp = ""] = /^time=(\S+) way=out /.exec(line) ?? [];
    return now.getTime() - Date.parse(stamp) < DAYS * 86_400_000 && / scheme=plain /.test(line) &&
      / result=sent\b/.test(line);
  });
  if (index < 0) return [];
  return [{
    what: "Mail of yours went out with the plain sender, while forged bounces are refused",
    where: { file: log.file, line: index + 1 },
    why: "Its bounce, when it does not return your header, cannot be told from a forged one.",
    mend: 'In [incoming]: forged = "spam"; the line\'s note says why the sender was plain',
  }];
}
