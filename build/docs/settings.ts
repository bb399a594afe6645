/**
 * Writes the table of settings into docs/settings.md, between its markers:
 *
 *     deno run -A build/docs/settings.ts
 *
 * The table comes from lib/settings/schema.ts; tests/docs_test.ts compares the two.
 */
import { type NamedSetting, SETTINGS } from "../../lib/settings/schema.ts";
import { describe } from "../../lib/settings/values.ts";

/** The markers around the table. */
export const [BEGIN, END] = ["<!-- settings -->", "<!-- /settings -->"] as const;

/** Returns the table as Markdown. deno fmt ignores it, because it would pad every row to the longest sentence. */
export function settingsTable(): string {
  return [
    "<!-- deno-fmt-ignore-start -->",
    "| Setting | Value | Default | Meaning |",
    "| - | - | - | - |",
    ...SETTINGS.map(row),
    "<!-- deno-fmt-ignore-end -->",
  ].join("\n");
}

function row({ name, type, fallback, help }: NamedSetting): string {
  const value = typeof type !== "string" ? type.map((word) => `\`"${word}"\``).join(", ") : describe(type);
  const cells = [`\`${name}\``, value, defaultOf(fallback), help];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** Formats the default as in the settings file. */
function defaultOf(fallback: unknown): string {
  if (fallback === undefined) return "must be given";
  return fallback === "" ? "none" : `\`${JSON.stringify(fallback)}\``;
}

/** Returns the text with the current table between its markers. */
export function withTable(text: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`No ${BEGIN} … ${END} in the text`);
  return `${text.slice(0, begin)}${BEGIN}\n\n${settingsTable()}\n\n${text.slice(end)}`;
}

if (import.meta.main) {
  const page = new URL("../../docs/settings.md", import.meta.url);
  Deno.writeTextFileSync(page, withTable(Deno.readTextFileSync(page)));
}
