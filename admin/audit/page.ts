/** Renders an audit as one XHTML page that loads nothing and runs no script; text from messages is escaped. */
import { type Result, RESULTS } from "../../incoming/verdict.ts";
import { backscatterOf, number, resultsOf, sentences } from "./report.ts";
import type { Audit, Counts } from "./tally.ts";

/** The colours of the chart; the legend and the titles name the results, too. */
const COLOURS: Record<Result, string> = {
  genuine: "#2a7f3f",
  known: "#5fae57",
  late: "#8bbf6a",
  unsolicited: "#d9a520",
  suspect: "#e07b39",
  unsure: "#c9803f",
  unjudged: "#9a8f5c",
  forged: "#b3261e",
  challenge: "#6b4fa0",
  other: "#b8bec6",
};

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [960, 300, 70, 40];

/** Returns the page. */
export function auditPage(audit: Audit): string {
  const results = resultsOf(audit);
  const { files, count } = audit.unreadable;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="UTF-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width"/>
<meta name="color-scheme" content="light dark"/>
<title>Audit of mail, ${escape(audit.date)}</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181a1c; } }
table { border-collapse: collapse; }
td, th { padding: 0.2rem 0.8rem; border-bottom: 1px solid #8886; text-align: right; }
td:first-child, th:first-child { text-align: left; }
dt { float: left; clear: left; width: 7rem; }
dd { margin-left: 7rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
.wide svg { display: block; }
.legend { list-style: none; padding: 0; }
.legend li { display: inline-block; margin-right: 1.2rem; }
.legend span { display: inline-block; width: 0.8rem; height: 0.8rem; margin-right: 0.4rem; }
</style>
</head>
<body>
<h1>Audit of mail</h1>
<dl>
<dt>Mailboxes</dt>
${audit.mailboxes.map((path) => `<dd>${escape(path)}</dd>`).join("\n")}
<dt>Mail from</dt>
<dd>${period(audit)}</dd>
<dt>Audited on</dt>
<dd>${escape(audit.date)}</dd>
</dl>
${sentences(audit).map((text) => `<p>${escape(text)}</p>`).join("\n")}
${files.length === 0 ? "" : table(["File", "Why"], files.map(({ path, why }) => [path, why]))}
${count > files.length ? `<p>and ${number(count - files.length)} more</p>` : ""}
<h2>Mail from the null sender, by month</h2>
${chart(audit)}
<h2>All mail, by month</h2>
${
    table(
      ["Month", ...results, "all"],
      [
        ...audit.months.map((one) => row(one.month ?? "unknown", one, results)),
        row("All", audit.results, results),
      ],
    )
  }
<h2>Domains that sent bounces of mail that you did not send</h2>
${audit.backscatterTruncated ? "<p>There were too many domains to count the rare ones.</p>" : ""}
${table(["Domain", "Bounces"], audit.backscatter.map(({ domain, count }) => [domain, number(count)]))}
</body>
</html>
`;
}

/** Returns the first and the last month; mail without a date counts for neither. */
function period({ months }: Audit): string {
  const known = months.flatMap(({ month }) => month ?? []);
  return known.length === 0 ? "unknown" : [...new Set([known[0]!, known.at(-1)!])].join(" to ");
}

function row(name: string, counts: Counts, results: readonly Result[]): string[] {
  const all = RESULTS.reduce((sum, result) => sum + counts[result], 0);
  return [name, ...results.map((result) => number(counts[result])), number(all)];
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], name: string) =>
    `<tr>${cells.map((cell) => `<${name}>${escape(cell)}</${name}>`).join("")}</tr>`;
  const rows = body.map((cells) => line(cells, "td")).join("\n");
  const whole = `<thead>${line(head, "th")}</thead>\n<tbody>${rows || line(["none"], "td")}</tbody>`;
  return `<div class="wide">\n<table>\n${whole}\n</table>\n</div>`;
}

/**
 * Draws stacked bars. On a narrow screen the chart is scrolled and not shrunk, so that its labels stay readable. Other
 * mail is omitted, because it would make the rest too small to see.
 */
function chart(audit: Audit): string {
  const results = RESULTS.filter((result) => result !== "other" && audit.results[result] > 0);
  const most = Math.max(1, ...audit.months.map((one) => results.reduce((sum, result) => sum + one[result], 0)));
  const step = (WIDTH - LEFT) / Math.max(1, audit.months.length);
  const every = Math.ceil(60 / step); // a label needs 60 units
  const tall = HEIGHT - BOTTOM - 30;
  const bars = audit.months.map((one, at) => {
    let y = HEIGHT - BOTTOM;
    const x = LEFT + at * step;
    const name = one.month ?? "unknown";
    const parts = results.filter((result) => one[result] > 0).map((result) => {
      const height = one[result] / most * tall;
      y -= height;
      const title = `<title>${name}: ${number(one[result])} ${result}</title>`;
      const size = `width="${Math.max(step * 0.8, 0.5).toFixed(1)}" height="${height.toFixed(1)}"`;
      return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${size} fill="${COLOURS[result]}">${title}</rect>`;
    });
    const label = at % every === 0 ? `<text x="${x.toFixed(1)}" y="${HEIGHT - BOTTOM + 18}">${name}</text>` : "";
    return parts.join("") + label;
  });
  const legend = results.map((result) => `<li><span style="background:${COLOURS[result]}"></span>${result}</li>`);
  const forged = number(backscatterOf(audit.results));
  const list = legend.length === 0 ? "" : `<ul class="legend">\n${legend.join("\n")}\n</ul>\n`;
  return `${list}<div class="wide">
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" role="img" font-size="13" fill="currentColor">
<title>Mail from the null sender by month; ${forged} bounces of mail that you did not send</title>
<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH}" y2="${HEIGHT - BOTTOM}" stroke="#888"/>
<text x="${LEFT - 8}" y="40" text-anchor="end">${number(most)}</text>
<text x="${LEFT - 8}" y="${HEIGHT - BOTTOM}" text-anchor="end">0</text>
${bars.join("\n")}
</svg>
</div>`;
}

const ENTITIES: Record<string, string> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;" };

/** Escapes text for XML; characters that XML does not allow become U+FFFD. */
function escape(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.toWellFormed().replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]/g, "\ufffd")
    .replace(/[<>&"']/g, (c) => ENTITIES[c]!);
}
