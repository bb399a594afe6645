/** Checks the lines of mail filters that call the doorbell: whether requests and confirmations both reach it. */
import { folderOf, type Service } from "../../lib/settings/doorbell.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { namesIn, pathInfo, textFiles } from "./filesystem.ts";
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import type { DoctorContext } from "./context.ts";

/** A line that calls the doorbell. */
export interface DoorbellCall {
  readonly file: string;
  readonly line: number;
  readonly hook: string;
  /** Empty without `--service`; undefined if only the filter knows it. */
  readonly service: string | undefined;
  /** The program that it runs; undefined if the filter acts itself. */
  readonly program: string | undefined;
}

const CALL = /(?:^|[\s|"'`=])([^\s|"'`=]*\/doorbell)(?=$|[\s|"'`;&>])(.*)$/;

/** Finds the calls in a file. */
export function doorbellCalls({ file, text }: TextFile): DoorbellCall[] {
  return text.split("\n").flatMap((line, index) => {
    const [, hook, rest = ""] = /^\s*#/.test(line) ? [] : CALL.exec(line) ?? [];
    if (hook === undefined) return [];
    const [options, ...program] = rest.split(/\s--(?=\s|$)/);
    const named = /\s--service[=\s]\s*"?([^\s"`]*)/.exec(options!)?.[1] ?? "";
    const first = program.join(" ").trim().split(/[\s"`;&|>]/)[0];
    const service = named.includes("$") ? undefined : named;
    return [{ file, line: index + 1, hook, service, program: first === "" ? undefined : first }];
  });
}

/** Adds the findings about the calls in the home directory. */
export function checkDoorbellCalls({ home, programs, findings, notes }: DoctorContext, settings: Settings): void {
  if (settings.doorbell.length === 0) return;
  const qmail = namesIn(home).filter((name) => /^\.qmail-./.test(name)).map((name) => `${home}/${name}`);
  const filters = [".mailfilter", ".procmailrc", ".procmail/jacookie.rc", ".forward"].map((name) => `${home}/${name}`);
  const files = textFiles([...qmail, ...filters]);
  const calls = files.flatMap(doorbellCalls);
  for (const call of calls) findings.push(...callFindings(call, settings.doorbell, programs));
  for (const service of settings.doorbell) {
    const own = calls.filter((one) => isOf(one, service, settings.doorbell));
    findings.push(...qmailFindings(own.filter(({ file }) => qmail.includes(file)), qmail, service));
    findings.push(...folderFindings(service, settings.state.folder));
    // A server's own configuration may call it.
    if (!calls.some((one) => own.includes(one) || one.service === undefined)) {
      notes.push(`No mail filter found here calls the doorbell for service ${service.name}; see contrib/doorbell`);
    }
  }
}

const isOf = ({ service }: DoorbellCall, { name }: Service, all: readonly Service[]): boolean =>
  service === name || (service === "" && all.length === 1);

function callFindings(
  { file, line, hook, service, program }: DoorbellCall,
  all: readonly Service[],
  programs: Programs,
) {
  const { list, add } = findingsOf(file);
  const names = all.map(({ name }) => name).join(", ");
  for (const one of [hook, program]) {
    const wrong = one === undefined ? undefined : programs.trouble(one);
    if (wrong === undefined) continue;
    const why = one === hook ? "All mail to the service stays queued, or is lost, as the filter decides." : DEFERS;
    add("doorbell-program", `${one} ${wrong}`, line, why, `chmod +x ${one}, or fix the path`);
  }
  if (service === undefined || all.some(({ name }) => name === service)) return list;
  if (service === "" && all.length === 1) return list;
  const what = service === "" ? "Option --service is missing" : `Service ${service} is not configured`;
  add(
    "doorbell-service",
    what,
    line,
    "The doorbell defers all mail to the service.",
    `use --service with one of ${names}`,
  );
  return list;
}

const DEFERS = "A confirmed message stays held, and its confirmation stays queued.";

/** Under qmail one file gets the requests, and another one what is sent to `-confirm-…`. */
function qmailFindings(calls: readonly DoorbellCall[], files: readonly string[], service: Service): Finding[] {
  const out: Finding[] = [];
  const calling = new Set(calls.map(({ file }) => file));
  for (const file of calling) {
    const request = /^(.*)-confirm-default$/.exec(file)?.[1];
    if (request !== undefined) {
      const used = usedFor(request, files);
      if (used !== undefined && calling.has(used)) continue;
      const why = "Only replies to challenges reach the doorbell, and nobody is challenged.";
      out.push(
        ...one(
          file,
          "doorbell-requests",
          `Requests to ${service.address} do not reach the doorbell`,
          why,
          `cp ${file} ${request}`,
        ),
      );
    } else if (service.confirm === "reply" && !file.endsWith("-default")) {
      const used = usedFor(`${file}-confirm-x`, files);
      if (used !== undefined && calling.has(used)) continue;
      const why = "People who reply to a challenge confirm nothing, or get a bounce.";
      const fix = `cp ${file} ${file}-confirm-default`;
      out.push(...one(file, "doorbell-confirmations", "Replies to challenges do not reach the doorbell", why, fix));
    }
  }
  const programs = new Set(calls.map(({ program }) => program ?? "none"));
  if (programs.size > 1) {
    const why = "Whichever file gets the confirmation decides what runs.";
    const what = `The lines for service ${service.name} run different programs: ${[...programs].join(", ")}`;
    out.push(...one(calls[0]!.file, "doorbell-programs", what, why, "make the lines the same"));
  }
  return out;
}

/** Returns the file that qmail-local uses for an extension, by its whole name: itself, or the longest -default. */
function usedFor(name: string, files: readonly string[]): string | undefined {
  if (files.includes(name)) return name;
  const start = name.lastIndexOf("/.qmail-") + "/.qmail-".length;
  for (let at = name.length; at >= start; at--) {
    if (at > start && name[at - 1] !== "-") continue;
    const found = `${name.slice(0, at)}default`;
    if (files.includes(found)) return found;
  }
  return undefined;
}

function one(file: string, id: Finding["id"], what: string, why: string, fix: string): Finding[] {
  return [{ id, what, where: { file }, why, fix }];
}

/** Held messages belong to whoever runs the doorbell, and nobody else reads them. */
function folderFindings(service: Service, state: string): Finding[] {
  const path = folderOf(service, state);
  const [folder, key] = [pathInfo(path), pathInfo(service.keys)];
  if (folder.kind === "missing" || key.kind !== "file") return [];
  if (folder.kind === "folder" && folder.uid === key.uid && (folder.mode & 0o077) === 0) return [];
  const [name, defers] = [`The folder of service ${service.name}`, "The doorbell defers all mail to the service."];
  const [what, why, fix] = folder.kind !== "folder"
    ? [`${name} cannot be examined`, defers, "run doctor as the owner of the service"]
    : folder.uid !== key.uid
    ? [`${name} and its key file belong to different users`, defers, `chown -R ${key.uid} ${path}`]
    : [`${name} is accessible to others`, "They could read held messages, or change them.", `chmod 700 ${path}`];
  return one(path, "doorbell-folder", what, why, fix);
}
