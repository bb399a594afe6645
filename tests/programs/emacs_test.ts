/** The real Emacs with contrib/emacs: message-mode, and mu4e and notmuch, which use it, send through the shim. */
import assert from "node:assert/strict";
import { fieldOf, type Ran, ROOT } from "../rig.ts";
import { ALL, assertAttempts, BCC, BODY, CC, Desk, FAILURES, onlySigned, textOf, TO } from "./desk.ts";
import { snippet } from "./letters.ts";
import { lacking, need, type Test, tests } from "./need.ts";

const test = await need("emacs", "emacs-nox");

/** Starts a message in message-mode, in mu4e and in notmuch. */
const COMPOSE: Record<string, string> = {
  message: `(message-mail "${TO}" "Lunch?")`,
  // Its server knows the maildir.
  mu4e: `(require 'mu4e)
(setq mu4e-sent-folder "/sent" mu4e-drafts-folder "/drafts" mu4e-trash-folder "/trash" mu4e-refile-folder "/refile"
      mu4e-sent-messages-behavior 'delete)
(mu4e t)
(with-timeout (60 (error "mu server does not answer")) (while (null mu4e--server-props) (accept-process-output nil 0.05)))
(mu4e~compose-mail "${TO}" "Lunch?")`,
  notmuch: `(require 'notmuch) (setq notmuch-fcc-dirs nil) (notmuch-mua-mail "${TO}" "Lunch?")`,
};

/** Composes a message and sends it with the key C-c C-c. */
function emacs(desk: Desk, compose: string, body = BODY): Promise<Ran> {
  // As root, Emacs takes HOME from its environment.
  const init = desk.write("init.el", snippet("emacs/countersign.el", { "/usr/local/bin/shim": `${ROOT}/shim/shim` }));
  const script = desk.write(
    "send.el",
    `(setq user-full-name "Greg" user-mail-address "greg@example.org" message-auto-save-directory nil
      message-kill-buffer-on-exit t mail-user-agent 'message-user-agent)
(require 'message)
${compose}
(message-goto-cc) (insert "${CC}")
(message-goto-bcc) (insert "${BCC}")
(message-goto-body)
(insert ${JSON.stringify(body)})
(message-send-and-exit)
`,
  );
  return desk.run(["emacs", "-Q", "--batch", "-l", init, "-l", script]);
}

/** Asserts the one message that was sent. */
async function assertSent(desk: Desk, ran: Ran): Promise<void> {
  assert.equal(ran.code, 0, ran.stderr);
  const mail = onlySigned(desk, ALL);
  assert.equal(fieldOf(mail, "From"), "Greg <greg@example.org>");
  assert.equal(fieldOf(mail, "Cc"), CC);
  assert.equal(await textOf(mail), BODY);
}

test("message-mode: a message is sent with an SRS sender and a tag", async () => {
  using desk = new Desk();
  await assertSent(desk, await emacs(desk, COMPOSE["message"]!));
});

test("message-mode: when the shim fails, Emacs shows the error and does not report the message as sent", async (t) => {
  for (const { what, message, reached, fail } of FAILURES) {
    await t.step(what, async () => {
      using desk = new Desk();
      fail(desk);
      const show = `(add-hook 'kill-emacs-hook (lambda () (dolist (one (buffer-list))
  (when (string-match "errors" (buffer-name one)) (with-current-buffer one (princ (buffer-string)))))))\n`;
      const ran = await emacs(desk, show + COMPOSE["message"]!);
      assert.notEqual(ran.code, 0);
      assert.match(ran.stdout + ran.stderr, message);
      assertAttempts(desk, reached ? 1 : 0);
    });
  }
});

/** Where Debian installs packages of Emacs Lisp. */
const SITE = "/usr/share/emacs/site-lisp";
/** Finds them, also with -Q. */
const WITH_PACKAGES = `(dolist (one (file-expand-wildcards "${SITE}/elpa*/*-[0-9]*")) (add-to-list 'load-path one))\n`;

/** Registers tests that need an Emacs Lisp package, and the program that belongs to it. */
async function needLisp(program: string, name: string, packs: string): Promise<Test> {
  const missing = [await lacking("emacs", "emacs-nox"), await lacking(program, packs)];
  const installed = ["elpa", "elpa-src"].some((folder) =>
    namesIn(`${SITE}/${folder}`).some((one) => one.startsWith(`${name}-`))
  );
  if (!installed) missing.push(`${name} is missing: install ${packs}`);
  return tests(missing.filter((one) => one !== "").join("; "));
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

const withNotmuch = await needLisp("notmuch", "notmuch", "notmuch elpa-notmuch");
withNotmuch("notmuch sends with message-mode", async () => {
  using desk = new Desk();
  desk.write(".notmuch-config", "[user]\nname=Greg\nprimary_email=greg@example.org\n");
  await assertSent(desk, await emacs(desk, WITH_PACKAGES + COMPOSE["notmuch"]!));
});

const withMu = await needLisp("mu", "mu4e", "maildir-utils mu4e");
withMu("mu4e sends with message-mode", async () => {
  using desk = new Desk();
  for (const maildir of ["drafts", "sent", "trash", "refile"]) {
    for (const part of ["cur", "new", "tmp"]) {
      Deno.mkdirSync(`${desk.path}/Mail/${maildir}/${part}`, { recursive: true });
    }
  }
  assert.equal((await desk.run(["mu", "init", `--maildir=${desk.path}/Mail`])).code, 0);
  await assertSent(desk, await emacs(desk, WITH_PACKAGES + COMPOSE["mu4e"]!));
});
