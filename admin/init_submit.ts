/** `countersign init --submit`: adds what submitd needs to existing settings, and prints what remains to be done. */
import { sandboxFile } from "../lib/paths.ts";
import { errorText, Fail } from "../lib/fail.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { parseAuth } from "../lib/settings/submission.ts";
import { configFile, loadSettings } from "../io/system/load.ts";
import { namesOf, parseCertificate, readCertificate } from "../submit/submitd/certificate.ts";
import type { Arguments } from "./arguments.ts";
import { changeAtomically, isThere, lastChange } from "./files.ts";
import { type Ask, ENTER, yesOrNo } from "./init_questions.ts";
import { type SubmitAnswers, submitAnswers, type SubmitTarget } from "./init_submit_questions.ts";
import { thisMachine } from "./machine.ts";
import { writeSandbox } from "./sandbox.ts";
import { SNIPPETS } from "./snippets.ts";
import { DOVECOT_SOCKET, type SubmitMachine } from "./submit_machine.ts";
import { submitText, withSubmit } from "./submit_settings_text.ts";
import { say } from "./terminal.ts";

/** The settings file of contrib/submitd/countersign-submit.service. */
const SITE = "/etc/countersign/submit.toml";

const machine: SubmitMachine = {
  ...thisMachine,
  folder(path) {
    try {
      return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
    } catch {
      return [];
    }
  },
};

/** Runs the command. @param ask asks on the terminal; without it the defaults are used */
export async function initSubmit(options: Arguments, ask?: Ask): Promise<void> {
  const printOnly = options.has("print");
  if (ask === undefined && !options.has("yes") && !printOnly) {
    throw new Fail("usage", "Standard input is not a terminal", { fix: "give --yes or --print" });
  }
  const source = configFile(options.value("config"));
  const settings = loadSettings(source, "users");
  const target = await targetOf(source, settings);
  if (ask !== undefined) say(ENTER);
  const answers = submitAnswers(options, machine, target, ask);
  const before = Deno.readTextFileSync(source.file);
  const text = withSubmit(before, settings, answers, source);
  if (printOnly) {
    say(`# ${source.file}\n${submitText(answers, source.home)}`);
    return;
  }
  if (ask !== undefined) {
    say(submitText(answers, source.home));
    if (!yesOrNo(ask, `Add this to ${source.file}`, true)) throw new Fail("usage", "Nothing was written");
  }
  changeAtomically(source.file, (now) => {
    if (now === before) return text;
    throw new Fail("temporary", "Settings file was changed meanwhile", { file: source.file });
  });
  say(`Written: ${source.file}`);
  const after = loadSettings(source, "users");
  say(updateSandbox(after, source));
  say(`\nWhat remains to be done:\n\n${remaining(after, source, target, answers).join("\n\n")}`);
}

async function targetOf({ file, home }: ConfigSource, settings: Settings): Promise<SubmitTarget> {
  const systemd = machine.exists("/run/systemd/system");
  const first = Number(machine.read("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1024);
  return {
    settings,
    home,
    folder: file.slice(0, file.lastIndexOf("/")),
    single: home !== "" && file.startsWith(`${home}/`),
    user: await thisMachine.env("USER") || await thisMachine.env("LOGNAME") || home.slice(home.lastIndexOf("/") + 1),
    ports: systemd || first <= 465,
    names(certificate) {
      const parsed = parseCertificate(machine.read(certificate) ?? "");
      return parsed === undefined ? [] : namesOf(parsed);
    },
  };
}

/** Rewrites the sandbox file, if there is one. */
function updateSandbox(settings: Settings, source: ConfigSource): string {
  if (!isThere(sandboxFile(source.file))) {
    return "There is no sandbox file, so submitd is not restricted; to create it: countersign sandbox";
  }
  try {
    return `Written: ${writeSandbox(settings, source, lastChange(source.file))}`;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return `The sandbox was not updated: ${errorText(error)}`;
  }
}

/** Returns the steps, each with its commands. */
function remaining(settings: Settings, source: ConfigSource, target: SubmitTarget, { login }: SubmitAnswers): string[] {
  const { submit } = settings;
  const usual = target.single && source.file === `${source.home}/.config/countersign/config.toml`;
  const config = usual ? "" : ` --config ${source.file}`;
  const named = login || settings.identity[0]?.logins[0] || "LOGIN";
  const steps: string[] = [];
  try {
    readCertificate(settings);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    steps.push(
      `This user cannot use the certificate: ${errorText(error)}\nsystemd can pass it to the service: see ` +
        "LoadCredential= in contrib/submitd",
    );
  }
  if (settings.identity.some((one) => one.logins.length === 0)) {
    steps.push('Name the logins of each identity, below its [[identity]]: logins = ["greg"]');
  }
  const backend = parseAuth(submit.auth)!;
  if (backend.kind === "file") {
    steps.push(
      `Set the password; the file must belong to the user that submitd runs as:\n  countersign passwd add ${named} ` +
        `--file ${backend.path}`,
    );
  } else if (backend.kind === "dovecot" && backend.path === DOVECOT_SOCKET && !machine.exists(backend.path)) {
    const lines = SNIPPETS["submitd/dovecot.conf"].join("\n");
    const own = target.single ? lines.replace("group = countersign", `user = ${target.user}`) : lines;
    steps.push(`Configure Dovecot's socket in /etc/dovecot/conf.d/90-countersign.conf:\n${indented(own)}`);
  }
  const [start, reload] = service(source, target, config);
  steps.push(`Start it:\n  ${start}`, `After each renewal of the certificate:\n  ${reload}`);
  steps.push(
    `Clients: server ${submit.name}, login ${named}; ${portOf(submit.listen_tls)} with TLS, or ` +
      `${portOf(submit.listen)} with STARTTLS`,
  );
  steps.push(`Check it:\n  countersign doctor${config}`);
  return steps.map((step, at) => `${at + 1}. ${step}`);
}

function service(
  source: ConfigSource,
  { single, user }: SubmitTarget,
  config: string,
): [start: string, reload: string] {
  if (!machine.exists("/run/systemd/system")) {
    return [`countersign submitd${config}`, "send SIGHUP to submitd"];
  }
  if (single) {
    const unit = `countersign-submit@${user}.service`;
    return [`systemctl enable --now ${unit}   (from contrib/submitd)`, `systemctl restart ${unit}`];
  }
  const where = source.file === SITE ? "" : `, with --config ${source.file} in the service`;
  return [
    "systemctl enable --now countersign-submission.socket countersign-submissions.socket countersign-submit.service" +
    `\n  (from contrib/submitd${where})`,
    "systemctl reload countersign-submit",
  ];
}

const portOf = (listen: readonly string[]): string =>
  listen.length === 0 ? "no port" : `port ${listen[0]!.slice(listen[0]!.lastIndexOf(":") + 1)}`;

const indented = (text: string): string => text.split("\n").map((line) => `  ${line}`).join("\n");
