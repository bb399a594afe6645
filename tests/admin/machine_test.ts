/** What init finds on various machines. */
import assert from "node:assert/strict";
import { inspect, type Machine, presetFor } from "../../admin/machine.ts";

const HOME = "/home/greg";

/** A machine with these files, links (as `a -> b`), and variables. */
function machine(files: Record<string, string>, variables: Record<string, string> = {}): Machine {
  const target = (path: string) => files[path]?.startsWith("-> ") ? files[path].slice(3) : path;
  return {
    exists: (path) => Object.hasOwn(files, path),
    real: target,
    read: (path) => files[path],
    env: (name) => Promise.resolve(variables[name]),
  };
}

const sendmail = "/usr/sbin/sendmail";
/** [the files, the preset and program] */
const injectors: [string, Record<string, string>, [string, string] | undefined][] = [
  ["nothing", {}, undefined],
  ["Sendmail", { [sendmail]: "" }, ["sendmail", sendmail]],
  ["Postfix", { [sendmail]: "", "/etc/postfix/main.cf": "" }, ["postfix", sendmail]],
  ["Exim", { [sendmail]: "-> /usr/sbin/exim4", "/etc/postfix/main.cf": "" }, ["exim", "/usr/sbin/exim4"]],
  ["dma", { [sendmail]: "-> /usr/sbin/dma" }, ["dma", "/usr/sbin/dma"]],
  ["msmtp as sendmail", { [sendmail]: "-> /usr/bin/msmtp" }, ["msmtp", "/usr/bin/msmtp"]],
  ["msmtp alone", { "/usr/bin/msmtp": "" }, ["msmtp", "/usr/bin/msmtp"]],
  ["msmtp beside Postfix", { "/usr/bin/msmtp": "", [sendmail]: "", "/etc/postfix/main.cf": "" }, ["postfix", sendmail]],
  ["nullmailer", { [sendmail]: "", "/etc/nullmailer": "", "/usr/sbin/nullmailer-send": "" }, ["nullmailer", sendmail]],
  ["qmail", { [sendmail]: "-> /var/qmail/bin/sendmail", "/var/qmail/bin/qmail-inject": "" }, [
    "qmail-inject",
    "/var/qmail/bin/qmail-inject",
  ]],
  ["the shim in its place", { [sendmail]: "-> /usr/local/bin/shim" }, undefined],
  ["the shim, the real one aside", {
    [sendmail]: "-> /usr/local/bin/shim",
    [`${sendmail}.real`]: "",
    "/etc/postfix/main.cf": "",
  }, ["postfix", `${sendmail}.real`]],
];
for (const [name, files, expected] of injectors) {
  Deno.test(`injector: ${name}`, async () => {
    const { injector } = await inspect(machine(files), HOME);
    assert.deepEqual(injector && [injector.preset, injector.program], expected);
  });
}

/** [file, text, the address in it] */
const written: [string, string, string | undefined][] = [
  [".muttrc", 'set from="greg@example.org"\n', "greg@example.org"],
  [".muttrc", "set realname=Greg from=greg@example.org\n", "greg@example.org"],
  [".muttrc", 'set from = "Greg <greg@example.org>"\n', "greg@example.org"],
  [".config/neomutt/neomuttrc", "set from='greg@example.org'\n", "greg@example.org"],
  [".muttrc", "# set from=old@example.org\n", undefined],
  [".muttrc", "set folder=~/Maildir # set from=old@example.org\n", undefined],
  [".muttrc", "set envelope_from_address=x@example.org\n", undefined],
  [".gitconfig", "[user]\n\tname = Greg\n\temail = greg@example.org\n", "greg@example.org"],
];
for (const [name, text, address] of written) {
  Deno.test(`address in ${name}: ${JSON.stringify(text)}`, async () => {
    const found = (await inspect(machine({ [`${HOME}/${name}`]: text }), HOME)).addresses;
    assert.deepEqual(found, address === undefined ? [] : [{ address, from: `~/${name}` }]);
  });
}

Deno.test("addresses: the most reliable first", async () => {
  const files = {
    "/etc/mailname": "mail.example.org\n",
    [`${HOME}/.gitconfig`]: "email = git@example.org",
    [`${HOME}/.muttrc`]: "set from=mutt@example.org",
  };
  const { addresses, user } = await inspect(machine(files, { EMAIL: "env@example.org", USER: "gregory" }), HOME);
  assert.equal(user, "gregory");
  assert.deepEqual(addresses.map(({ address, from }) => [address, from]), [
    ["env@example.org", "EMAIL"],
    ["mutt@example.org", "~/.muttrc"],
    ["git@example.org", "~/.gitconfig"],
    ["gregory@mail.example.org", "/etc/mailname"],
  ]);
});

Deno.test("a host name without a dot is not a domain; without USER the name of the home is used", async () => {
  assert.deepEqual((await inspect(machine({ "/etc/mailname": "laptop\n" }), HOME)).addresses, []);
  const found = await inspect(machine({ "/etc/mailname": "example.org\n" }), HOME);
  assert.deepEqual(found.addresses, [{ address: "greg@example.org", from: "/etc/mailname" }]);
});

Deno.test("mail programs and filters are those in PATH", async () => {
  const files = { "/opt/bin/mutt": "", "/usr/bin/git": "", "/usr/bin/mh/mhmail": "", "/usr/bin/procmail": "" };
  const found = await inspect(machine(files, { PATH: "/opt/bin:" }), HOME);
  assert.deepEqual([found.mailers, found.filters], [["mutt", "nmh", "git"], ["procmail"]]);
  assert.deepEqual((await inspect(machine({ "/opt/bin/mutt": "" }), HOME)).mailers, []);
});

Deno.test("programs that fetch mail are those that the user has configured", async () => {
  const programs = { "/usr/bin/mbsync": "", "/usr/bin/fetchmail": "", "/usr/bin/getmail": "", "/usr/bin/fdm": "" };
  assert.deepEqual((await inspect(machine(programs), HOME)).fetchers, []);
  const files = { [`${HOME}/.fdm.conf`]: "", [`${HOME}/.config/isyncrc`]: "", [`${HOME}/.getmail/getmailrc`]: "" };
  assert.deepEqual((await inspect(machine({ ...programs, ...files }), HOME)).fetchers, ["mbsync", "getmail", "fdm"]);
  assert.deepEqual((await inspect(machine(files), HOME)).fetchers, []);
});

Deno.test("the existing spam folder", async () => {
  assert.equal((await inspect(machine({}), HOME)).spam, `${HOME}/Maildir/.Spam`);
  assert.equal((await inspect(machine({ [`${HOME}/Maildir/.Junk`]: "" }), HOME)).spam, `${HOME}/Maildir/.Junk`);
});

Deno.test("the preset of a named program", () => {
  const postfix = machine({ "/etc/postfix/main.cf": "" });
  const presets = ["/usr/bin/msmtp", "/usr/sbin/exim4", "/opt/exim", "/x/qmail-inject", "/usr/sbin/dma", "/bin/cat"];
  const expected = ["msmtp", "exim", "exim", "qmail-inject", "dma", undefined];
  assert.deepEqual(presets.map((one) => presetFor(one, postfix)), expected);
  assert.equal(presetFor("/usr/sbin/sendmail.real", postfix), "postfix");
  assert.equal(presetFor("/usr/lib/sendmail", machine({})), "sendmail");
});

const MAIN_CF = "/etc/postfix/main.cf";
/** [main.cf, the mbox to which Postfix delivers] */
const boxes: [string, string | undefined][] = [
  ["", "/var/mail/greg"], // Debian's default
  ["mailbox_size_limit = 0\nmailbox_command =\n", "/var/mail/greg"],
  ["mail_spool_directory = /var/spool/mail\n", "/var/spool/mail/greg"],
  ["mail_spool_directory = /var/spool/mail/\n", undefined],
  ["home_mailbox = Mailbox\n", "/home/greg/Mailbox"],
  ["home_mailbox = Maildir/\n", undefined],
  ["box = Maildir/\nhome_mailbox = $box\n", undefined],
  ['mailbox_command = procmail -a "$EXTENSION"\n', undefined],
  ["mailbox_transport = lmtp:unix:private/dovecot-lmtp\n", undefined],
];
for (const [text, expected] of boxes) {
  Deno.test(`Postfix with ${JSON.stringify(text)} delivers to ${expected ?? "something else"}`, async () => {
    assert.equal((await inspect(machine({ [MAIN_CF]: text }, { USER: "greg" }), HOME)).mbox, expected);
  });
}

Deno.test("without Postfix, or with a .forward file, there is no mbox of Postfix", async () => {
  assert.equal((await inspect(machine({}), HOME)).mbox, undefined);
  assert.equal((await inspect(machine({ [MAIN_CF]: "", [`${HOME}/.forward`]: "" }), HOME)).mbox, undefined);
});
