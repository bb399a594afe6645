/**
 * Writes the generated parts of contrib/man/:
 *
 *     deno run -A build/docs/manual.ts
 *
 * The settings in countersign.conf.5 are taken from lib/settings/schema.ts, the commands in countersign.1 from the help
 * texts, the reference of their JSON from admin/json_format.ts, and the findings of doctor from admin/doctor/ids.ts.
 * tests/programs/man_test.ts compares them.
 */
import { type NamedSetting, REPEATED, SETTINGS } from "../../lib/settings/schema.ts";
import { describe } from "../../lib/settings/values.ts";
import { FINDING_IDS } from "../../admin/doctor/ids.ts";
import { JSON_FORMATS, type JsonType, type Member } from "../../admin/json_format.ts";
import { type Command, commands, type Entry } from "./commands.ts";
import { literal, prose } from "./mdoc.ts";

/** The markers around the generated part. */
const [BEGIN, END] = [
  '.\\" What follows is made by build/docs/manual.ts',
  '.\\" This was made by build/docs/manual.ts',
];

/** Commands with their own manual pages. */
const PAGES: Record<string, string> = { shim: "shim 1", incoming: "incoming 8" };

/** The pages with a generated part, and the functions that generate it. */
export const MADE: Record<string, () => Promise<string[]> | string[]> = {
  "countersign.1": async () => [...(await commands()).flatMap(section), ...jsonReference(), ...findings()],
  "countersign.conf.5": settings,
};

/** Returns the text of a page with its generated part updated. */
export async function page(name: string): Promise<string> {
  const text = Deno.readTextFileSync(new URL(`../../contrib/man/${name}`, import.meta.url));
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`No place for the commands or settings in ${name}`);
  return [text.slice(0, begin) + BEGIN, ...await MADE[name]!(), text.slice(end)].join("\n");
}

function section({ name, usage, parts, examples, summary }: Command): string[] {
  const lines = [`.Ss ${name}`];
  if (name in PAGES) return [...lines, ...prose(sentence(summary)), "See", `.Xr ${PAGES[name]} .`];
  lines.push(...usage.map((line) => `.D1 ${literal(line)}`));
  if (parts.length === 0) return [...lines, ".Pp", ...prose(sentence(summary))];
  for (const part of parts) lines.push(...typeof part === "string" ? paragraph(part) : list(part));
  if (examples.length > 0) lines.push(".Pp", ...examples.map((example) => `.Dl ${literal(example)}`));
  return lines;
}

function paragraph(text: string): string[] {
  if (!text.includes("\n")) return [".Pp", ...prose(text)];
  return [".Bd -unfilled", ...text.split("\n").map(literal), ".Ed"];
}

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

function list(entries: readonly Entry[]): string[] {
  const items = entries.flatMap(({ term, text }) => [`.It ${item(term)}`, ...prose(text)]);
  return [".Bl -tag -width Ds", ...items, ".El"];
}

/** Formats a term such as `--sender ADDRESS, --recipient ADDRESS` with macros. */
function item(term: string): string {
  return term.replaceAll("'", "").split(/,? +/).map((word, at) => {
    if (word.startsWith("-")) return `${at > 0 ? ", " : ""}Fl ${word.slice(1)}`;
    if (/^[A-Z]+$/.test(word)) return `Ar ${word.toLowerCase()}`;
    return `Cm ${word.replaceAll("|", " | ")}`;
  }).join(" ");
}

/** Lists the members of each JSON object with their paths, such as `verdict.action` and `tags[].by`. */
function jsonReference(): string[] {
  const lines = [
    ".Sh JSON",
    ...prose(
      "With --json a command prints one object. Members may be added without notice; the version changes if a member " +
        "is removed, renamed or given another type.",
    ),
  ];
  for (const [command, members] of Object.entries(JSON_FORMATS)) {
    lines.push(
      ".Pp",
      `.Ic ${literal(command)}`,
      ".Bl -tag -width Ds",
      ...members.flatMap((one) => member(one, "")),
      ".El",
    );
  }
  return lines;
}

/** Lists the ids of the findings of doctor. */
function findings(): string[] {
  return [
    ".Sh FINDINGS OF DOCTOR",
    ...prose("Each finding has an id, which stays the same in later versions."),
    ".Bl -tag -width Ds",
    ...Object.entries(FINDING_IDS).flatMap(([id, meaning]) => [`.It ${id}`, ...prose(`${meaning}.`)]),
    ".El",
  ];
}

function member({ name, type, help }: Member, prefix: string): string[] {
  const whole = `${prefix}${name}`;
  const below = typeof type === "string" ? [] : "each" in type ? type.each : type.members;
  const inner = typeof type === "object" && "each" in type ? `${whole}[].` : `${whole}.`;
  return [
    `.It Va ${literal(whole)}`,
    ...prose(`${sentence(typeName(type))} ${help}`),
    ...below.flatMap((one) => member(one, inner)),
  ];
}

function typeName(type: JsonType): string {
  return typeof type === "string" ? type : "each" in type ? "list of objects" : "object";
}

function settings(): string[] {
  const lines: string[] = [];
  let former: string | undefined;
  for (const setting of SETTINGS) {
    const [name, table = ""] = setting.name.split(".").reverse();
    if (table !== former) {
      if (former !== undefined) lines.push(".El");
      const title = Object.hasOwn(REPEATED, table) ? `[[${table}]]` : `[${table}]`;
      lines.push(`.Ss ${table === "" ? "Before all tables" : title}`, ".Bl -tag -width Ds");
    }
    former = table;
    lines.push(`.It Ic ${name}`, ...prose(setting.help), ".br", ...prose(valueOf(setting)));
  }
  return [...lines, ".El"];
}

function valueOf({ type, fallback }: NamedSetting): string {
  const value = sentence(describe(type)).slice(0, -1);
  if (fallback === undefined) return `${value}; must be given.`;
  return `${value}; default: ${fallback === "" ? "none" : `\`${JSON.stringify(fallback)}\``}.`;
}

if (import.meta.main) {
  for (const name of Object.keys(MADE)) {
    Deno.writeTextFileSync(new URL(`../../contrib/man/${name}`, import.meta.url), await page(name));
  }
}
