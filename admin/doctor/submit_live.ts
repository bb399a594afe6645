/** Opens sessions with a running `countersign submitd`: what it offers, its certificate, and how logins fail. */
import { timingSafeEqual } from "../../lib/bytes.ts";
import { Fail, quote, reason } from "../../lib/fail.ts";
import { lineOf, printServer, type Settings } from "../../lib/settings/parse.ts";
import { type Endpoint, parseEndpoint } from "../../lib/settings/submission.ts";
import { mechanismsOf } from "../../submit/backends/dovecot.ts";
import type { DoctorContext } from "./context.ts";
import type { Finding } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import type { SubmitSession } from "./submit_session.ts";

/** The fix for an address on which nothing listens. */
const START = "systemctl restart 'countersign-submission*.socket' countersign-submit, or countersign submitd";
const RELOAD = "systemctl reload countersign-submit, or kill -HUP its process";

/**
 * How far the times of two failed logins may be apart. submitd holds failures to whole seconds, so that 1 and 2 are
 * possible on a busy machine; a program that exits at once for root would be ten times faster.
 */
const MAX_RATIO = 3;

/** Milliseconds for the greeting of Dovecot. */
const DOVECOT_MS = 5000;

/** What the checks need of the context. */
type LiveContext = Pick<DoctorContext, "file" | "findings" | "notes">;

/** Adds the findings about the running server. */
export async function checkSubmitLive(context: LiveContext, settings: Settings): Promise<void> {
  const { submit: { listen, listen_tls } } = settings;
  let loggedIn = false;
  for (const [name, texts, tls] of [["listen_tls", listen_tls, true], ["listen", listen, false]] as const) {
    for (const text of texts) {
      const endpoint = reachable(parseEndpoint(text)!);
      if (endpoint.port === 0) continue; // the system chooses it
      const host = printServer({ hostname: endpoint.host, port: endpoint.port });
      if (Deno.permissions.querySync({ name: "net", host }).state !== "granted") {
        context.notes.push(`${text} was not checked: this program has no permission to connect to it`);
        continue;
      }
      const { file } = context;
      const where = { file: file.file, line: lineOf(file.text, "submit", name, 0) };
      // Every failed login counts against the limit of this address, so that they are tried once only.
      loggedIn = await checkEndpoint(context, settings, { endpoint, tls, text, where }, !loggedIn) || loggedIn;
    }
  }
}

/** An address of the server. */
interface Listener {
  readonly endpoint: Endpoint;
  readonly tls: boolean;
  /** As the settings write it. */
  readonly text: string;
  readonly where: Finding["where"];
}

/** Returns an address by which a listener is reached: all addresses include those of this machine. */
function reachable({ host, port }: Endpoint): Endpoint {
  const loopback = host === "0.0.0.0" ? "127.0.0.1" : /^[0:]+$/.test(host) ? "localhost" : host;
  return { host: loopback, port };
}

/** Checks one address. @returns whether logins were tried */
async function checkEndpoint(
  { findings, notes }: LiveContext,
  settings: Settings,
  { endpoint, tls, text, where }: Listener,
  logins: boolean,
): Promise<boolean> {
  const add = (id: FindingId, what: string, why: string, fix: string) =>
    void findings.push({ id, what, where, why, fix });
  const { SubmitSession } = await import("./submit_session.ts"); // with Node's TLS
  let session: SubmitSession;
  try {
    session = await SubmitSession.open(endpoint, tls);
  } catch (error) {
    const what = `submitd cannot be reached at ${text}: ${reason(error)}`;
    add("submit-address-silent", what, "Clients cannot send mail.", START);
    return false;
  }
  try {
    await expect("220", session.reply());
    let offer = await expect("250", session.say("EHLO doctor.invalid"));
    if (!tls) {
      if (/^250[- ]AUTH\b/m.test(offer)) {
        const why = "Clients may send their passwords unencrypted.";
        add(
          "submit-auth-unencrypted",
          `AUTH is offered before TLS at ${text}`,
          why,
          "Update the server that listens there",
        );
      }
      if (!/^250[- ]STARTTLS$/m.test(offer)) throw new Error("STARTTLS is not offered");
      await expect("220", session.say("STARTTLS"));
      await session.handshake();
      offer = await expect("250", session.say("EHLO doctor.invalid"));
    }
    findings.push(...await certificateFindings(settings, session.certificate, text));
    if (!/^250[- ]AUTH .*\bPLAIN\b/m.test(offer)) throw new Error("AUTH PLAIN is not offered after TLS");
    if (logins) await checkLogins(session, add, notes);
    await session.say("QUIT");
    return logins;
  } catch (error) {
    add(
      "submit-address-wrong",
      `submitd does not work at ${text}: ${reason(error)}`,
      "Clients cannot send mail.",
      START,
    );
    return logins;
  } finally {
    session[Symbol.dispose]();
  }
}

async function expect(code: string, reply: Promise<string>): Promise<string> {
  const text = await reply;
  if (text.startsWith(code)) return text;
  throw new Error(`it replied ${quote(text)} where ${code} was expected`);
}

/** Compares the certificate that is served with the one in the file. */
async function certificateFindings(
  settings: Settings,
  served: Uint8Array | undefined,
  text: string,
): Promise<Finding[]> {
  const { certificate } = settings.submit;
  const { parseCertificate, readCertificate } = await import("../../submit/submitd/certificate.ts");
  let configured: Uint8Array;
  try {
    configured = new Uint8Array(parseCertificate(readCertificate(settings).cert)!.raw);
  } catch (error) {
    if (error instanceof Fail) return []; // reported already
    throw error;
  }
  if (served !== undefined && timingSafeEqual(served, configured)) return [];
  const why = "It was probably renewed, but submitd still uses the previous one.";
  const what = `The certificate that submitd uses at ${text} is not the one in the file`;
  return [{ id: "submit-certificate-stale", what, where: { file: certificate }, why, fix: RELOAD }];
}

/** Tries a wrong password of an unknown user and of root. */
async function checkLogins(
  session: SubmitSession,
  add: (id: FindingId, what: string, why: string, fix: string) => void,
  notes: string[],
): Promise<void> {
  const password = crypto.randomUUID();
  const times: number[] = [];
  for (const user of [`doctor-${password.slice(0, 8)}`, "root"]) {
    const begun = performance.now();
    const reply = await session.say(`AUTH PLAIN ${btoa(`\0${user}\0${password}`)}`);
    times.push(performance.now() - begun);
    if (/^235 /.test(reply)) {
      const why = "Anybody can send mail through this server.";
      add("submit-password-ignored", `The login ${user} was accepted with a random password`, why, "Check submit.auth");
      return;
    }
    if (/^454 /.test(reply)) {
      const why = "Clients cannot log in.";
      add(
        "submit-auth-failing",
        `Passwords cannot be checked: ${quote(reply)}`,
        why,
        "See the log of submitd, and check submit.auth",
      );
      return;
    }
    if (!/^535 /.test(reply)) {
      notes.push(`Failed logins were not checked: submitd replied ${quote(reply)}`);
      return;
    }
  }
  const [unknown, root] = times as [number, number];
  if (Math.max(unknown, root) <= MAX_RATIO * Math.min(unknown, root)) return;
  const what = `A failed login of root takes ${Math.round(root)} ms, and one of an unknown user ${
    Math.round(unknown)
  } ms`;
  add(
    "submit-login-timing",
    what,
    "The time that a reply takes reveals whether a user exists.",
    "Check the program in submit.auth",
  );
}

/** Connects to Dovecot's authentication socket. @returns why it cannot be used; undefined if it can */
export async function dovecotTrouble(path: string): Promise<string | undefined> {
  try {
    const mechanisms = await mechanismsOf(path, DOVECOT_MS);
    return mechanisms.includes("PLAIN") ? undefined : "does not offer the mechanism PLAIN";
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const { cause } = error;
    // submitd may be permitted what this program is not.
    if (cause instanceof Deno.errors.NotCapable || cause instanceof Deno.errors.PermissionDenied) return undefined;
    return `cannot be used: ${error.message}`;
  }
}
