/** Collects what `init --submit` needs to know: at most five questions, each with a default from the machine. */
import { Fail, quote } from "../lib/fail.ts";
import type { Settings } from "../lib/settings/parse.ts";
import { parseAuth, parseEndpoint } from "../lib/settings/submission.ts";
import type { Arguments } from "./arguments.ts";
import { absolute, type Ask } from "./init_questions.ts";
import { authOf, certificateOf, hostOf, keyBeside, type SubmitMachine } from "./submit_machine.ts";

/** The values for the settings. */
export interface SubmitAnswers {
  /** The table `[submit]`, without settings that have their default value. */
  readonly submit: Partial<Settings["submit"]>;
  /** The login for identities that have none; empty for none. */
  readonly login: string;
}

/** For whom submitd is configured. */
export interface SubmitTarget {
  readonly settings: Settings;
  readonly home: string;
  /** The folder of the settings file. */
  readonly folder: string;
  /** Whether the settings are those of one user, below their home directory. */
  readonly single: boolean;
  readonly user: string;
  /** Whether this user can listen on ports 587 and 465, directly or by systemd. */
  readonly ports: boolean;
  /** Returns the host names in a certificate; none if it cannot be read. */
  names(certificate: string): readonly string[];
}

/** Ports for a user who may not listen on those below 1024. */
const UNPRIVILEGED = { listen: ["[::]:2587"], listen_tls: ["[::]:2465"] };

/** Returns all answers; without `ask`, takes the defaults. @throws {Fail} `usage` */
export function submitAnswers(
  options: Arguments,
  machine: SubmitMachine,
  target: SubmitTarget,
  ask?: Ask,
): SubmitAnswers {
  const answer = (option: string, question: string, fallback: string, check: (text: string) => void): string => {
    const given = options.value(option);
    if (given === undefined && ask !== undefined) return ask(question, fallback, check);
    check(given ?? fallback);
    return given ?? fallback;
  };
  const path = (text: string) => absolute(text, target.home);
  const found = certificateOf(machine);

  const certificate = path(
    answer("certificate", "Certificate, with all intermediate certificates", found?.certificate ?? "", (text) => {
      if (text === "") throw new Fail("usage", "No certificate found", { fix: "give --certificate" });
    }),
  );
  const known = certificate === found?.certificate ? found.key : keyBeside(certificate, machine);
  const key = options.has("key") || known === undefined
    ? path(answer("key", "Private key of the certificate", "", (text) => {
      if (text === "") throw new Fail("usage", "No key found beside the certificate", { fix: "give --key" });
    }))
    : known;
  // Clients use the name in the certificate. A wildcard is not a name.
  const certified = target.names(certificate).find((one) => !one.includes("*"));
  const name = options.has("name") || certified === undefined
    ? answer("name", "Host name of the server, as clients use it", hostOf(machine), checkHost)
    : certified;
  const usersFile = target.single ? `${target.folder}/users` : "/etc/countersign/users";
  const auth = answer(
    "auth",
    "How passwords are checked (file:PATH, dovecot:SOCKET or checkpassword:PROGRAM)",
    authOf(machine, usersFile),
    (text) => checkAuth(authPath(text, path)),
  );
  const login = loginOf(options, target, answer);
  const listening = listenOf(options, "listen");
  const listeningTls = listenOf(options, "listen-tls");
  const own = listening.length + listeningTls.length > 0 || target.ports ? {} : UNPRIVILEGED;
  return {
    submit: {
      auth: authPath(auth, path),
      certificate,
      key,
      name,
      ...own,
      ...(listening.length > 0 ? { listen: listening } : {}),
      ...(listeningTls.length > 0 ? { listen_tls: listeningTls } : {}),
      ...limit(options, "max-message", "max_message"),
      ...limit(options, "max-per-address", "max_per_address"),
    },
    login,
  };
}

/** Asks for the login only if there is an identity without one. A site with several identities has one for each. */
function loginOf(
  options: Arguments,
  { settings, single, user }: SubmitTarget,
  answer: (option: string, question: string, fallback: string, check: (text: string) => void) => string,
): string {
  const without = settings.identity.filter((one) => one.logins.length === 0);
  if (without.length === 0) {
    if (options.has("login")) throw new Fail("usage", "Every identity already lists a login");
    return "";
  }
  const [first] = without as [typeof without[number]];
  const fallback = single ? user : without.length === 1 ? first.address.split("@")[0]! : "";
  const all = without.map((one) => one.address).join(", ");
  return answer("login", `Login that sends as ${all} (empty for none)`, fallback, (text) => {
    if (/\s/.test(text)) throw new Fail("usage", `Login ${quote(text)} contains white space`);
  });
}

function listenOf(options: Arguments, name: "listen" | "listen-tls"): string[] {
  return options.values(name).map((text) => {
    if (parseEndpoint(text) !== undefined) return text;
    throw new Fail("usage", `Option --${name} is ${quote(text)}, not an address and port such as 192.0.2.1:587`);
  });
}

function limit(options: Arguments, name: string, setting: "max_message" | "max_per_address") {
  const text = options.value(name);
  if (text === undefined) return {};
  if (/^\d{1,10}$/.test(text)) return { [setting]: Number(text) };
  throw new Fail("usage", `Option --${name} is ${quote(text)}, not a number`);
}

/** Returns the source of passwords with an absolute path. */
function authPath(text: string, path: (text: string) => string): string {
  const [, kind, rest] = /^([a-z]+):(.+)$/.exec(text) ?? [];
  return kind === undefined ? text : `${kind}:${path(rest!)}`;
}

function checkAuth(text: string): void {
  if (parseAuth(text) !== undefined) return;
  throw new Fail("usage", `${quote(text)} is not file:PATH, dovecot:SOCKET or checkpassword:PROGRAM`);
}

function checkHost(text: string): void {
  if (text === "") throw new Fail("usage", "No host name found", { fix: "give --name" });
  if (!/^[\w-]+(?:\.[\w-]+)*$/.test(text)) throw new Fail("usage", `${quote(text)} is not a host name`);
}
