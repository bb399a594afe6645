/** The page that audit writes, in Chromium: what a reader sees on a phone, at night, and without scripts. */
import assert from "node:assert/strict";
import { auditPage } from "../../admin/audit/page.ts";
import { audited, Tally } from "../../admin/audit/tally.ts";
import { Home } from "../rig.ts";
import { need } from "./need.ts";

const test = await need("chromium");

/** The width of a phone in pixels. Chromium's own window cannot be narrower than 500. */
const PHONE = 360;
const MONTHS = 40;

/** A page with more months than fit on a phone, and more domains than the terminal lists. */
function page(): string {
  const tally = new Tally();
  for (let month = 0; month < MONTHS; month++) {
    for (const result of ["forged", "genuine"] as const) {
      tally.add({ result, month: 24_300 + month, bounce: "unrecognized", domain: `d${month}.example.net` });
    }
  }
  const refuses = { forged: false, unsigned: false };
  return auditPage(audited(tally, { mailboxes: ["/home/greg/Maildir"], date: "2026-11-20", refuses }, 2, 0, false));
}

/** Writes what is visible into the title, because `--dump-dom` prints the document and not its layout. */
const PROBE = `<script>/*<![CDATA[*/
document.documentElement.style.width = "${PHONE}px";
const box = (element) => element.getBoundingClientRect();
const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => box(one).height > 0);
const [color, background] = ["color", "backgroundColor"].map((name) => getComputedStyle(document.body)[name]);
document.title = JSON.stringify({
  width: document.body.scrollWidth,
  labels: seen("svg text").map((one) => box(one).height),
  fill: getComputedStyle(document.querySelector("svg text")).fill,
  bars: seen("svg rect").length,
  legend: seen(".legend li").map((one) => one.textContent),
  rows: [...document.querySelectorAll("tbody")].map((one) => one.querySelectorAll("tr").length),
  text: document.body.innerText,
  color,
  background,
});
/*]]>*/</script></body>`;

/** What the probe found. */
interface Seen {
  width: number;
  labels: number[];
  fill: string;
  bars: number;
  legend: string[];
  rows: number[];
  text: string;
  color: string;
  background: string;
}

/** Opens a page, and returns its title after scripts have run. */
async function titleIn(home: Home, name: string, text: string, dark: boolean): Promise<string> {
  const file = home.write(`${name}.xhtml`, text);
  const args = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${home.path}/${name}`];
  const scheme = `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`;
  const ran = await home.run(["timeout", "60", "chromium", ...args, scheme, "--dump-dom", `file://${file}`]);
  assert.equal(ran.code, 0, ran.stderr);
  const [, title = ""] = /<head>[^]*?<title>([^<]*)<\/title>/.exec(ran.stdout) ?? [];
  return title;
}

/** The brightness of a colour such as rgb(24, 26, 28), from 0 to 765. */
const brightness = (color: string) => color.match(/\d+/g)!.slice(0, 3).reduce((sum, part) => sum + Number(part), 0);

test("the page of audit in Chromium: readable on a phone, dark at night, and no script runs", async () => {
  using home = new Home();
  const original = page();
  const withProbe = original.replace("</body>", PROBE);
  const probed = withProbe.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, "");
  assert.notEqual(probed, withProbe);
  const [blocked, ...titles] = await Promise.all([
    titleIn(home, "blocked", withProbe, false),
    titleIn(home, "light", probed, false),
    titleIn(home, "dark", probed, true),
  ]);
  assert.equal(blocked, "Audit of mail, 2026-11-20", "the page's policy blocks scripts");

  const unescaped = (title: string) => title.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
  const [light, dark] = titles.map((title) => JSON.parse(unescaped(title)) as Seen) as [Seen, Seen];
  for (const seen of [light, dark]) {
    assert.ok(seen.width <= PHONE, `only tables and the chart are scrolled sideways: ${seen.width}`);
    assert.ok(seen.labels.length > 5 && seen.labels.every((height) => height >= 12), `labels: ${seen.labels}`);
    assert.deepEqual([seen.bars, seen.legend], [2 * MONTHS, ["genuine", "forged"]]);
    // Every month and the sum; every domain.
    assert.deepEqual(seen.rows, [MONTHS + 1, MONTHS]);
    for (const part of ["/home/greg/Maildir", "2025-01 to 2028-04", "2026-11-20", "d39.example.net"]) {
      assert.ok(seen.text.includes(part), part);
    }
    assert.equal(seen.fill, seen.color, "the labels of the chart have the colour of the text");
  }
  assert.ok(brightness(light.background) - brightness(light.color) > 400, `${light.color} on ${light.background}`);
  assert.ok(brightness(dark.color) - brightness(dark.background) > 400, `${dark.color} on ${dark.background}`);
});
