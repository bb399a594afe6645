/** Every flag that a sendmail of this world takes, and what the shim makes of it: a test a row. */
import assert from "node:assert/strict";
import { type Address, parseAddress } from "../../lib/address.ts";
import { Fail } from "../../lib/fail.ts";
import type { OutgoingRequest } from "../../outgoing/request.ts";
import { parseFlags } from "../../shim/flags.ts";

const TO = "to@a.example";
const plain: OutgoingRequest = {
  sender: undefined,
  fullName: "",
  recipientsFrom: "arguments",
  recipients: [parseAddress(TO)],
  dsn: {},
};
const local = (word: string): Address => ({ local: word, domain: "" });
const many = (...addresses: string[]) => addresses.map(parseAddress);

/** Arguments in one text, split at spaces; or as they are, where one of them holds a space or is empty. */
type Arguments = string | readonly string[];
const split = (args: Arguments): readonly string[] => typeof args === "string" ? args.split(" ") : args;

/** The arguments as given make this call, which differs from the plain one in this. */
function exact(args: Arguments, differs: Partial<OutgoingRequest> = {}, name = "sendmail"): void {
  assert.deepEqual(parseFlags(name, split(args)), { mode: "send", call: { ...plain, ...differs } }, `${args}`);
}

/** These options before a recipient: read whole, so that the recipient is still one, with and without `--`. */
function good(args: Arguments, differs: Partial<OutgoingRequest> = {}): void {
  exact([...split(args), "--", TO], differs);
  exact([...split(args), TO], differs);
}

/** Refused as wrong usage, and the message names this. */
function badAs(name: string, args: Arguments, named: string): void {
  assert.throws(
    () => parseFlags(name, split(args)),
    (error) => error instanceof Fail && error.kind === "usage" && error.message.includes(named),
    `${args} must be refused by a message with ${named}`,
  );
}

/** Refused with and without a recipient. */
function bad(args: Arguments, named: string): void {
  badAs("sendmail", args, named);
  badAs("sendmail", [...split(args), "--", TO], named);
}

Deno.test("-t takes recipients from the header as well", () => {
  good("-t", { recipientsFrom: "both" });
  good("-t -i", { recipientsFrom: "both" });
  good("-ti", { recipientsFrom: "both" });
  good("-it", { recipientsFrom: "both" });
  good("-oem -t -oi", { recipientsFrom: "both" });
  exact("-t", { recipientsFrom: "both", recipients: [] });
  exact("-t --", { recipientsFrom: "both", recipients: [] });
});

Deno.test("-i and -oi change nothing: input always goes to its end", () => {
  for (const args of ["-i", "-oi", "-i -oi", "-o i"]) good(args);
});

Deno.test("-f and -r give the sender, the last one wins", () => {
  const me = parseAddress("me@example.org");
  for (const flag of ["-f", "-r"]) {
    good(`${flag} me@example.org`, { sender: me });
    good(`${flag}me@example.org`, { sender: me });
    good(`-i${flag.slice(1)} me@example.org`, { sender: me });
    good([flag, "<me@example.org>"], { sender: me });
    good([flag, "Me Myself <me@example.org>"], { sender: me });
    good([flag, '"Me, Myself" <me@example.org>'], { sender: me });
    // The null sender in its three spellings; the last is mutt's.
    for (const none of ["", "<>", "@"]) good([flag, none], { sender: null });
    good(`${flag} Me`, { sender: local("Me") });
    good(`${flag} root@vm`, { sender: parseAddress("root@vm") });
    // The next word is the value, whatever it looks like.
    good(`${flag} -oQ/tmp@x.example`, { sender: parseAddress("-oQ/tmp@x.example") });
    good(`${flag} old@x.example ${flag} me@example.org`, { sender: me });
    good([flag, "me@example.org", flag, ""], { sender: null });

    for (
      const wrong of ["a b", "a@x.example, b@x.example", "a@", "@x.example", "a@b@c", "me@example.org>", "<a", ","]
    ) {
      bad([flag, wrong], wrong);
    }
    for (const control of ["\n", "\r", "\0", "\x1c"]) bad([flag, `me@example.org${control}`], "Sender");
    badAs("sendmail", flag, flag);
    badAs("sendmail", `-i ${flag}`, flag);
  }
  good("-f old@x.example -r me@example.org", { sender: me });
  good("-r old@x.example -f me@example.org", { sender: me });
});

Deno.test("-F gives a full name", () => {
  good("-FCronDaemon", { fullName: "CronDaemon" });
  good("-F CronDaemon", { fullName: "CronDaemon" });
  good(["-F", "A B"], { fullName: "A B" });
  good(["-F", 'Zoë "Z"'], { fullName: 'Zoë "Z"' });
  good(["-F", "--"], { fullName: "--" });
  good(["-F", ""], { fullName: "" });
  for (const control of ["\n", "\r", "\0", "\x7f", "\t"]) bad(["-F", `A${control}Bcc: x@y.example`], "-F");
  badAs("sendmail", "-F", "-F");
});

Deno.test("-bm is what is done anyway", () => {
  good("-bm");
  good("-b m");
});

Deno.test("-bs, -bp and mailq are the real program's", () => {
  const real = (name: string, args: string, what: string) =>
    assert.deepEqual(parseFlags(name, args === "" ? [] : split(args)), { mode: "real", what }, `${name} ${args}`);
  real("sendmail", "-bs", "-bs");
  real("sendmail", "-b s", "-bs");
  real("sendmail", "-bs -odb -oem -om", "-bs"); // nmh
  real("sendmail", "-bp", "-bp");
  real("mailq", "", "-bp");
  badAs("newaliases", ["-v"], "newaliases");
});

Deno.test("other modes are refused, and no message is read for them", () => {
  for (const mode of ["v", "d", "i", "t", "h", "H", "P", "D", "x", "mm"]) bad(`-b${mode}`, `-b${mode}`);
  badAs("sendmail", "-b", "-b");
});

Deno.test("-N, -R and -V ask for delivery status notifications", () => {
  good("-N failure,delay", { dsn: { notify: "failure,delay" } });
  good("-Nsuccess", { dsn: { notify: "success" } });
  good("-N SUCCESS,Failure", { dsn: { notify: "success,failure" } });
  good("-N never", { dsn: { notify: "never" } });
  good("-N NEVER", { dsn: { notify: "never" } });
  good("-R full", { dsn: { ret: "full" } });
  good("-R HDRS", { dsn: { ret: "hdrs" } });
  good("-Rhdrs", { dsn: { ret: "hdrs" } });
  // RFC 3461 section 4: the id is xtext, `+2B` standing for `+`.
  good("-V QQ314159", { dsn: { envid: "QQ314159" } });
  good(`-V ${"x".repeat(100)}`, { dsn: { envid: "x".repeat(100) } });
  bad(`-V ${"x".repeat(101)}`, "-V");
  good("-Va+2Bb", { dsn: { envid: "a+2Bb" } });
  good("-N failure -R full -V x", { dsn: { notify: "failure", ret: "full", envid: "x" } });

  for (const wrong of ["", "sometimes", "never,failure", "failure,never", "failure,,delay", "failure delay"]) {
    bad(["-N", wrong], "-N");
  }
  for (const wrong of ["", "headers", "full,hdrs"]) bad(["-R", wrong], "-R");
  for (const wrong of ["", "a b", "a=b", "a+b", "a+2b", "ä", "a\n"]) bad(["-V", wrong], "-V");
  for (const flag of ["-N", "-R", "-V"]) badAs("sendmail", flag, flag);
});

Deno.test("-B takes 7BIT and 8BITMIME", () => {
  for (const type of ["7BIT", "8BITMIME", "7bit", "8BitMime"]) {
    good(`-B${type}`);
    good(`-B ${type}`);
  }
  for (const wrong of ["", "BINARYMIME", "8BIT"]) bad(["-B", wrong], "-B");
  badAs("sendmail", "-B", "-B");
});

/** Taken with their argument, attached or the next word, and nothing comes of it. */
const IGNORED_WITH = {
  "-X opens no file": ["-X hooked", "-Xlog", ["-X", "a b"]],
  "-O sets nothing": ["-O DeliveryMode=b", "-ODeliveryMode=b"],
  "-oe -od -om -ov are ignored": ["-oe", "-oem", "-oep", "-oeq", "-oee", "-oew", "-odi", "-odb", "-odq", "-om", "-ov"],
  "-o7 -oQ -oM are ignored": ["-o7", "-oQ/tmp", "-oMsHost", "-oMrESMTP"],
  "-e is ignored": ["-em", "-ep", "-eq", "-ee", "-ew", "-e m"],
  "-h is ignored": ["-h 5", "-h5"],
  "-L is ignored": ["-L tag", "-Ltag"],
  "-A is ignored": ["-Ac", "-Am"],
  "-p is ignored": ["-p ESMTP:host", "-pESMTP"],
} as const;

for (const [name, calls] of Object.entries(IGNORED_WITH)) {
  Deno.test(name, () => {
    for (const args of calls) good(args);
    const flag = name.slice(0, 2);
    badAs("sendmail", flag, `${flag} needs an argument`);
  });
}

Deno.test("-m -n -v -U -G -x are ignored", () => {
  for (const flag of ["-m", "-n", "-v", "-U", "-G", "-x"]) good(flag);
  good("-imvnf me@example.org", { sender: parseAddress("me@example.org") });
});

Deno.test("-q without recipients is a queue run, with them it is refused", () => {
  for (const args of ["-q", "-q30m", "-qf", "-qIabc", "-qRexample.org"]) {
    assert.deepEqual(parseFlags("sendmail", [args]), { mode: "real", what: "-q" }, args);
    badAs("sendmail", [args, TO], "queue run");
    badAs("sendmail", [args, "--", TO], "queue run");
  }
  // Its value is attached or not there: the next word is a recipient.
  badAs("sendmail", "-q 30m", "queue run");
});

Deno.test("flags that mean different things to different programs are refused", () => {
  for (const flag of ["-M id", "-Mid", "-C file", "-C/etc/other.cf"]) bad(flag, flag.slice(0, 2));
  for (const flag of ["-D", "-d", "-z", "-Q", "-s", "-E", "-J", "-I"]) {
    bad(flag, flag);
    bad(`${flag}1`, flag);
    bad(`${flag} 1`, flag);
  }
  // git's --sendmail-cmd "msmtp -a account", and what no program has.
  for (const flag of ["-a", "-k", "-1", "-?"]) bad(`${flag} ${TO}`, flag);
  bad("-ia", "-a");
  bad("--help-me", "--help-me");
  bad("--read-envelope-from", "--read-envelope-from");
});

Deno.test("--help and --version count as the first argument only", () => {
  for (const mode of ["help", "version"] as const) {
    assert.deepEqual(parseFlags("sendmail", [`--${mode}`]), { mode });
    assert.deepEqual(parseFlags("shim", [`--${mode}`, TO]), { mode });
    badAs("sendmail", `-i --${mode}`, `--${mode}`);
    badAs("sendmail", `-- --${mode}`, `--${mode}`);
  }
});

Deno.test("-- ends the options, and is nobody's mailbox", () => {
  exact(`-- ${TO}`);
  exact("-- -oX@a.example", { recipients: many("-oX@a.example") });
  badAs("sendmail", "-- -t", "-t");
  exact("--", { recipients: [] });
  // mutt with two addresses in envelope_from_address.
  badAs("sendmail", `-f a@b.example c@d.example -- ${TO}`, "--");
  badAs("sendmail", `-- -- ${TO}`, "--");
});

Deno.test("options behind the first operand are operands, and as such nobody's mailbox", () => {
  badAs("sendmail", `${TO} -i`, "-i");
  badAs("sendmail", `${TO} -f me@example.org`, "-f");
  badAs("sendmail", `${TO} --`, "--");
  badAs("sendmail", `- ${TO}`, "-");
  exact(`${TO} -i@a.example`, { recipients: many(TO, "-i@a.example") });
});

Deno.test("an operand is an address list", () => {
  const two = { recipients: many("a@x.example", "b@x.example") };
  exact("a@x.example b@x.example", two);
  exact("a@x.example,b@x.example", two); // cron
  exact(["a@x.example, B <b@x.example>"], two); // Gnus, in one word
  exact(["friends: a@x.example, b@x.example;"], two);
  exact(["grp: ;", "a@x.example,b@x.example"], two);
  exact(["<a@x.example>", "b@x.example (B, not A)"], two);
  exact(['"-x"@x.example'], { recipients: many('"-x"@x.example') });
  exact(["root"], { recipients: [local("root")] });
  // No recipients here is not yet an error: a header may hold some, and the plan refuses none.
  for (const none of [[], [""], [","], ["grp: ;"]]) exact(none, { recipients: [] });
  // Twice is not corrected here, nor is upper case.
  exact(`${TO} TO@a.example`, { recipients: many(TO, "TO@a.example") });

  for (
    const wrong of ["<>", "a b", 'Name"', "a@", "@x.example", "a@x.example b@x.example", "<a@x.example", "a;"]
  ) {
    badAs("sendmail", ["--", wrong], "Recipient");
    badAs("sendmail", ["--", TO, wrong], "Recipient");
  }
  for (const control of ["\n", "\r", "\0", "\x1b"]) badAs("sendmail", ["--", `${TO}${control}`], "Recipient");
  badAs("sendmail", ["--", `${TO}\nbcc@x.example`], "Recipient");
});

Deno.test("qmail-inject has its own flags", () => {
  const as = (args: Arguments, differs: Partial<OutgoingRequest>) => exact(args, differs, "qmail-inject");
  const both = { recipientsFrom: "both" } as const;
  const header = { recipientsFrom: "header", recipients: [] } as const;
  const me = parseAddress("me@example.org");
  as(TO, {});
  as(`-a ${TO}`, {});
  as("-a", { recipients: [] });
  as([], header);
  as("-A", header);
  as(`-A ${TO}`, {});
  as(`-h ${TO}`, header);
  as(`-H ${TO}`, both);
  as("-H", { ...both, recipients: [] });
  as(`-f me@example.org -- ${TO}`, { sender: me });
  as(`-fme@example.org -a ${TO}`, { sender: me });
  as(["-f", "", TO], { sender: null });
  as(`-a -h ${TO}`, header); // the last one wins
  for (const flag of ["-t", "-i", "-oi", "-bs", "--help"]) badAs("qmail-inject", [flag, TO], flag.slice(0, 2));
  badAs("qmail-inject", "-f", "-f");
  badAs("qmail-inject", ["-f", "a b", TO], "Sender");
});
