/** Shared by the tests of the doorbell in procmail and maildrop. */
import { CREATED, Home, ROOT } from "../rig.ts";
import { program } from "../doorbell/home.ts";
import { snippet } from "./letters.ts";

export const [SVC, LIST] = ["greg-svc@example.org", "greg-list@example.org"];

/**
 * greg's home with a service that runs a program, a list with a gate, and their folders; `list` is added to its
 * settings.
 */
export function pipelineHome(list = ""): Home {
  const home = new Home();
  home.write(".config/countersign/doorbell-keys", `k1 ${CREATED} a secret of the doorbells\n`, 0o600);
  const services = { svc: [SVC, list.includes("subject") ? list : ""], list: [LIST, `remember = 90\n${list}`] };
  const tables = Object.entries(services).map(([name, [address, more]]) =>
    `[[doorbell]]\nname = "${name}"\naddress = "${address}"\n${more}\n`
  );
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "${home.path}/out"\n${tables.join("\n")}`);
  for (const name of ["", "/.List", "/.Unconfirmed"]) {
    for (const part of ["tmp", "new", "cur"]) {
      Deno.mkdirSync(`${home.path}/Maildir${name}/${part}`, { recursive: true });
    }
  }
  program(home);
  return home;
}

/** A file of contrib with the paths of this home. */
export function bellSnippet(home: Home, name: string): string {
  return snippet(name, {
    "/usr/local/lib/countersign/hooks/doorbell": `${ROOT}/hooks/doorbell`,
    "/home/greg/bin": home.path,
  });
}

/** Mail from ann, as the last server has completed it. */
export function mailTo(recipient: string, subject: string, { sender = "ann@friend.example", more = "" } = {}): string {
  const from = sender || "daemon@friend.example";
  return `Return-Path: <${sender}>\nDelivered-To: ${recipient}\nReceived: by mx.example.org; Fri, 20 Nov 2026 05:32:58 +0000\n` +
    `From: <${from}>\nTo: ${recipient}\nSubject: ${subject}\nMessage-ID: <${crypto.randomUUID()}@friend.example>\n${more}\nHello.\n`;
}
