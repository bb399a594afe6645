/** Renders an audit as one XHTML page that loads nothing and runs no script; text from messages is escaped. */
import { type Result, RESULTS } from "../../incoming/verdict.ts";
import { backscatterOf, number, resultsOf, sentences } from "./report.ts";
import type { Audit } from "./tally.ts";

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
<title>Audit of mail</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; }
td, th { padding: 0.2rem 0.8rem; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>Audit of mail</h1>
${sentences(audit).map((text) => `<p>${escape(text)}</p>`).join("\n")}
${files.length === 0 ? "" : table(["File", "Why"], files.map(({ path, why }) => [path, why]))}
${count > files.length ? `<p>and ${number(count - files.length)} more</p>` : ""}
<h2>Mail from the null sender, by month</h2>
${chart(audit)}
<h2>All mail, by month</h2>
${
    table(
      ["Month", ...results],
      [
        ...audit.months.map((one) => [one.month ?? "unknown", ...results.map((result) => number(one[result]))]),
        ["All", ...results.map((result) => number(audit.results[result]))],
      ],
    )
  }
<h2>Domains that sent most bounces of mail that you did not send</h2>
${table(["Domain", "Bounces"], audit.backscatter.map(({ domain, count }) => [domain, number(count)]))}
</body>
</html>
`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], name: string) =>
    `<tr>${cells.map((cell) => `<${name}>${escape(cell)}</${name}>`).join("")}</tr>`;
  const rows = body.map((cells) => row(cells, "td")).join("\n");
  return `<table>\n<thead>${row(head, "th")}</thead>\n<tbody>${rows || row(["none"], "td")}</tbody>\n</table>`;
}

/** Draws stacked bars; other mail is omitted, because it would make the rest too small to see. */
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
  const legend = results.map((result, at) => {
    const x = LEFT + at * 130;
    return `<rect x="${x}" y="2" width="12" height="12" fill="${COLOURS[result]}"/><text x="${
      x + 18
    }" y="13">${result}</text>`;
  });
  const forged = number(backscatterOf(audit.results));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-size="13">
<title>Mail from the null sender by month; ${forged} bounces of mail that you did not send</title>
<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH}" y2="${HEIGHT - BOTTOM}" stroke="#888"/>
<text x="${LEFT - 8}" y="40" text-anchor="end">${number(most)}</text>
<text x="${LEFT - 8}" y="${HEIGHT - BOTTOM}" text-anchor="end">0</text>
${legend.join("\n")}
${bars.join("\n")}
</svg>`;
}

const ENTITIES: Record<string, string> = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;" };

/** Escapes text for XML; characters that XML does not allow become U+FFFD. */
export function escape(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.toWellFormed().replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]/g, "\ufffd")
    .replace(/[<>&"']/g, (c) => ENTITIES[c]!);
}
