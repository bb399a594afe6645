/** The checks that ask the Postfix of this machine, with postconf(1) and postmap(1). */
import type { Settings } from "../../lib/settings/parse.ts";
import type { DoctorContext } from "./context.ts";
import { isFile } from "./filesystem.ts";
import { realPath } from "../files.ts";
import type { Finding } from "./finding.ts";
import { checkBackscatter, isPublic } from "./backscatter.ts";
import { injector } from "./injector.ts";
import { checkBounces } from "./postfix_bounces.ts";
import { MESSAGE, PostfixQueries } from "./postfix_queries.ts";
import { checkRunning } from "./postfix_running.ts";
import { checkSenders } from "./postfix_senders.ts";
import { run } from "./programs.ts";
import { signedIdentities } from "./mta_asked.ts";

/** Where the programs of Postfix are. */
const FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

/** Returns the folder with postconf(1); undefined without Postfix. */
export const postfixPrograms = (): string | undefined => FOLDERS.find((folder) => isFile(`${folder}/postconf`));

/** Returns the finding for what postconf(1) says if it fails. */
export function unreadableConfiguration(folder: string, said: string): Finding {
  return {
    id: "postfix-configuration",
    what: `Postfix cannot read its configuration: ${said.replace(MESSAGE, "")}`,
    where: { file: `${folder}/main.cf` },
    why: "It does not start, or ignores a part of it.",
    fix: "postfix check",
  };
}

/**
 * Adds the findings about the way of bounces and of senders.
 *
 * @param folder the folder with main.cf
 */
export async function askPostfix(
  { findings, now }: DoctorContext,
  settings: Settings,
  folder: string,
): Promise<void> {
  const queries = await machineQueries(folder);
  if (queries === undefined) return;
  if (typeof queries === "string") return void findings.push(unreadableConfiguration(folder, queries));
  const identities = signedIdentities(settings, now);
  const { transport: { preset, via }, serve } = settings;
  const program = injector(settings);
  const injects = program !== undefined && realPath(program) === realPath(queries.value("sendmail_path"));
  const addresses = settings.identity.map(({ address }) => address);
  findings.push(...await checkRunning({ queries, addresses, sends: injects }));
  const sends = via === "command" && ["postfix", "sendmail"].includes(preset) || serve.socket_folder !== "";
  if (sends) findings.push(...await checkSenders(queries, identities));
  findings.push(...await checkBounces({ queries, identities }));
  if (isPublic(queries)) findings.push(...await checkBackscatter(queries));
}

/** Returns the Postfix of this machine, or its error message. @param folder the folder with main.cf, if it is known */
export async function machineQueries(folder?: string): Promise<PostfixQueries | string | undefined> {
  const programs = postfixPrograms();
  if (programs === undefined) return undefined;
  const ask = (argv: readonly string[], input?: string) =>
    run([`${programs}/${argv[0]}`, ...argv.slice(1)], input, { LC_ALL: "C" });
  const place = folder ?? (await ask(["postconf", "-h", "config_directory"])).out.trim();
  return place === "" ? undefined : await PostfixQueries.of(place, ask);
}
