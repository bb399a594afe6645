/** The questions of `countersign init`: at most five, whatever the machine is like. */
import assert from "node:assert/strict";
import { readArguments } from "../../admin/arguments.ts";
import { type Answers, answers, type Smarthost } from "../../admin/init_questions.ts";
import type { Found, Machine } from "../../admin/machine.ts";

const HOME = "/home/greg";
const machine: Machine = {
  exists: () => false,
  real: (path) => path,
  read: () => undefined,
  env: () => Promise.resolve(undefined),
};
const FOUND: Found = {
  user: "greg",
  addresses: [{ address: "greg@example.org", from: "EMAIL" }],
  mailers: ["mutt"],
  injector: undefined,
  filters: [],
  fetchers: [],
  spam: `${HOME}/Maildir/.Spam`,
  mbox: undefined,
};
const POSTFIX = { preset: "postfix", program: "/usr/sbin/sendmail" };

/** Answers the questions with the first text whose key is part of the question; without one, presses Enter. */
function run(found: Partial<Found>, typed: Record<string, string> = {}, args: string[] = []) {
  const asked: string[] = [];
  const options = readArguments(args, {
    values: ["address", "via", "host", "port", "maildir", "inbox"],
    flags: ["challenges"],
  });
  const result = answers(options, { ...FOUND, ...found }, machine, HOME, (question, fallback, check) => {
    asked.push(question);
    const answer = Object.entries(typed).find(([part]) => question.includes(part))?.[1] ?? fallback;
    check(answer);
    return answer;
  });
  return { asked, result };
}

/** The server of the answers below. */
const smtp = (other: Partial<Smarthost>): Smarthost => ({
  ...{ host: "smtp.example.org", port: 0, security: "tls", ca: "", user: "greg" },
  ...{ password_file: `${HOME}/.config/countersign/password`, ...other },
});

const viaSmtp = (host: string, ...more: string[]): string[] => ["--via", "smtp", "--host", host, ...more];

/** [what, what was found, what is typed, arguments, the number of questions, what the answers contain] */
const rows: [string, Partial<Found>, Record<string, string>, string[], number, Partial<Answers>][] = [
  ["Postfix with maildirs", { injector: POSTFIX }, {}, [], 4, { inbox: "", challenges: false, srsDomain: "" }],
  ["Debian's Postfix", { injector: POSTFIX, mbox: "/var/mail/greg" }, {}, [], 5, { inbox: `${HOME}/Maildir` }],
  [
    "Debian's Postfix, another maildir",
    { injector: POSTFIX, mbox: "/var/mail/greg" },
    { Postfix: "~/Mail", contract: "Yes" },
    [],
    5,
    { inbox: `${HOME}/Mail`, challenges: true },
  ],
  [
    "Debian's Postfix, the same mbox",
    { injector: POSTFIX, mbox: "/var/mail/greg" },
    { Postfix: "/var/mail/greg" },
    [],
    5,
    {
      inbox: "mbox:/var/mail/greg",
    },
  ],
  [
    "the maildir is given",
    { injector: POSTFIX, mbox: "/var/mail/greg" },
    {},
    ["--inbox", "/m", "--challenges"],
    3,
    { inbox: "/m", challenges: true },
  ],
  ["qmail", { injector: { preset: "qmail-inject", program: "/var/qmail/bin/qmail-inject" } }, {}, [], 4, {
    inbox: `${HOME}/Maildir`,
  }],
  [
    "no program, but a server",
    { mbox: "/var/mail/greg" },
    { "sends your mail": "smtp.example.org", Login: "greg" },
    [],
    5,
    {
      inbox: "",
    },
  ],
  ["a server", {}, { Login: "greg" }, ["--via", "smtp", "--host", "smtp.example.org"], 4, { spam: FOUND.spam }],
  ["a server that is asked for", {}, { Submission: "smtp.example.org", Login: "greg" }, ["--via", "smtp"], 5, {}],
  ["a server with its port", {}, { Submission: "smtp.example.org:587", Login: "greg" }, ["--via", "smtp"], 5, {
    transport: { smtp: smtp({ port: 587, security: "starttls" }) },
  }],
  ["the option for the port counts", {}, { Login: "greg" }, viaSmtp("smtp.example.org:587", "--port", "2465"), 4, {
    transport: { smtp: smtp({ port: 2465 }) },
  }],
  ["no program, but a server with its port", {}, { "sends your mail": "smtp.example.org:465", Login: "greg" }, [], 5, {
    transport: { smtp: smtp({ port: 465 }) },
  }],
  ["a maildir for trying it out", {}, {}, ["--via", "maildir"], 4, { transport: { maildir: `${HOME}/out` } }],
];
for (const [what, found, typed, args, count, expected] of rows) {
  Deno.test(`${what}: ${count} questions`, () => {
    const { asked, result } = run(found, typed, args);
    assert.ok(asked.length <= 5);
    assert.equal(asked.length, count, asked.join("\n"));
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(result[name as keyof Answers], value, name);
    if ("smtp" in result.transport) {
      assert.deepEqual([result.transport.smtp.host, result.transport.smtp.user], ["smtp.example.org", "greg"]);
    }
  });
}

Deno.test("the default is the mbox of Postfix if the hook can lock it", () => {
  const found = { ...FOUND, injector: POSTFIX, mbox: "/var/mail/greg" };
  for (const lockers of [["/usr/bin/dotlockfile", "/usr/bin/perl"], ["/usr/bin/perl"], []]) {
    const exists = (path: string) => lockers.includes(path);
    const { inbox } = answers(readArguments([], {}), found, { ...machine, exists }, HOME);
    assert.equal(inbox, lockers.length === 2 ? "mbox:/var/mail/greg" : `${HOME}/Maildir`);
  }
});

Deno.test("a server that is not a host name is asked for again", () => {
  for (
    const wrong of ["https://smtp.example.org", "smtp.example.org:", "smtp.example.org 587", "greg@example.org", ":587"]
  ) {
    assert.throws(() => run({}, { Submission: wrong }, ["--via", "smtp"]), { kind: "usage" }, wrong);
  }
});

Deno.test("a program that is neither a path nor a server is asked for again", () => {
  for (const wrong of ["sendmail", "", "a b.example"]) {
    assert.throws(() => run({ injector: POSTFIX }, { "sends your mail": wrong }), { kind: "usage" });
  }
});
