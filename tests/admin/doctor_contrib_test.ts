/** doctor finds no problems in the files of contrib/. */
import assert from "node:assert/strict";
import { checkInjectorFile, checkPrograms } from "../../admin/doctor/injector.ts";
import type { Finding, Programs, TextFile } from "../../admin/doctor/finding.ts";
import { hookCall } from "../../admin/doctor/hook_call.ts";
import { checkMaildrop } from "../../admin/doctor/maildrop.ts";
import { checkMutt } from "../../admin/doctor/mutt.ts";
import { muttCommands } from "../../admin/doctor/muttrc.ts";
import { checkForward, checkPostfix } from "../../admin/doctor/postfix.ts";
import { checkProcmail } from "../../admin/doctor/procmail.ts";
import { checkQmail } from "../../admin/doctor/qmail.ts";
import { checkSettings } from "../../admin/doctor/settings.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { ROOT } from "../rig.ts";

const CONTRIB = `${ROOT}/contrib`;
const HOOK = "/usr/local/lib/countersign/hooks/incoming";
const SHIM = "/usr/local/bin/shim";

/** The paths in the instructions. */
const programs: Programs = {
  trouble: (path) => path === HOOK || path === SHIM || path.startsWith("/usr/") ? undefined : "does not exist",
  isShim: (path) => path === SHIM,
};

const postfix = {
  programs,
  hasDestination: false,
  srsDomains: ["srs.example.org"],
  isAsked: false,
  smtp: true,
  config: "/home/greg/.config/countersign/config.toml",
  stateTrouble: () => undefined,
};
const identities = ["greg@example.org", "greg-lists@example.org"];

function file(path: string, mode = 0o600): TextFile {
  return { file: `${CONTRIB}/${path}`, text: Deno.readTextFileSync(`${CONTRIB}/${path}`), mode };
}

function mutt(path: string): Finding[] {
  const commands = muttCommands(`${CONTRIB}/${path}`, "/home/greg", (name) => Deno.readTextFileSync(name));
  const sendmail = commands.filter(({ words }) => words[0] === "set" && words[1] === `sendmail=${SHIM}`);
  assert.equal(sendmail.length, 1, "the line of the shim was read");
  const onPath = () => undefined;
  return checkMutt({ file: path, home: "/home/greg", commands, identities, programs, onPath, shim: SHIM });
}

/** Completes the settings in contrib, which are fragments. */
function settings(path: string): Finding[] {
  const { file: name, text } = file(path);
  const identity = /\[\[identity\]\]/.test(text)
    ? ""
    : '[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n';
  const transport = /\[transport\]/.test(text) ? "" : '[transport]\npreset = "sendmail"\n';
  const whole = `${text}\n${identity}${transport}`;
  const parsed = parseConfig(whole, { file: name, home: "/home/greg" });
  const one = { file: name, text: whole };
  return [...checkSettings(one, parsed, new Date("2026-11-20")), ...checkPrograms(one, parsed, programs)];
}

/** The check for each file, by its path; undefined if doctor does not check such files. */
const CHECKS: readonly [RegExp, ((path: string) => Finding[]) | undefined][] = [
  [/\/config\.toml$/, settings],
  [/\/(?:neo)?muttrc$/, mutt],
  [/\/\.qmail[\w-]*$/, (path) => checkQmail([file(path)], { programs, hasDestination: false })],
  [/^maildrop\/mailfilter[\w-]*$/, (path) => checkMaildrop(file(path), programs)],
  [/^procmail\/procmailrc[\w-]*$/, (path) => checkProcmail(file(path), programs)],
  [/^postfix\/local\/forward$/, (path) => checkForward(file(path), postfix)],
  [
    /^postfix\/pipe\/main\.cf$/,
    () => checkPostfix([file("postfix/pipe/main.cf"), file("postfix/pipe/master.cf")], postfix),
  ],
  [/^postfix\/.*\/main\.cf$/, (path) => checkPostfix([file(path)], postfix)],
  [/^postfix\/pipe\/master\.cf$/, undefined], // with its main.cf
  [/^dma\/dma\.conf$/, (path) => checkInjectorFile("dma", file(path))],
  [
    /^(?:aerc|alpine|cron|exim|git|msmtp|nmh|nullmailer|php|s-nail|smarthost)\/|\/virtualdomains$|\/countersign\.regexp$/,
    undefined,
  ],
  [/\/README\.md$|^README\.md$|^(?:install|demo|docs|man|completions)\//, undefined],
];

function below(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${under}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? below(folder, `${under}${name}/`) : [`${under}${name}`]
  ).sort();
}

for (const path of below(CONTRIB)) {
  const known = CHECKS.find(([shape]) => shape.test(path));
  const check = known?.[1];
  if (check === undefined) continue;
  Deno.test(`doctor finds nothing in contrib/${path}`, () => {
    assert.deepEqual(check(path), []);
  });
}

Deno.test("doctor recognizes the hook in the filters in contrib", () => {
  const calling = below(CONTRIB).filter((path) =>
    CHECKS.find(([shape]) => shape.test(path))?.[1] !== undefined && file(path).text.includes(HOOK)
  );
  assert.ok(calling.length > 5);
  for (const path of calling) assert.equal(hookCall(file(path).text)?.program, HOOK, path);
});

Deno.test("each kind of file in contrib was checked", () => {
  for (const [shape, check] of CHECKS) {
    if (check !== undefined) assert.ok(below(CONTRIB).some((path) => shape.test(path)), `${shape} fits nothing`);
  }
});
