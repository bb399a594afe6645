/** Every flag that some sendmail accepts, and what the shim does with it. */
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

/** Arguments as one string, which is split at spaces, or as a list if one of them contains a space or is empty. */
type Arguments = string | readonly string[];
const split = (args: Arguments): readonly string[] => typeof args === "string" ? args.split(" ") : args;

/** Exactly these arguments give the plain request with these differences. */
function accepts(args: Arguments, differs: Partial<OutgoingRequest> = {}, name = "sendmail"): void {
  assert.deepEqual(parseFlags(name, split(args)), { mode: "send", request: { ...plain, ...differs } }, `${args}`);
}

/** These options in front of a recipient are accepted, with and without `--`, and the recipient is kept. */
function acceptsOptions(args: Arguments, differs: Partial<OutgoingRequest> = {}): void {
  accepts([...split(args), "--", TO], differs);
  accepts([...split(args), TO], differs);
}

/** These arguments are a usage error, and the message contains this text. */
function rejectsAs(name: string, args: Arguments, named: string): void {
  assert.throws(
    () => parseFlags(name, split(args)),
    (error) => error instanceof Fail && error.kind === "usage" && error.message.includes(named),
    `${args} must be rejected with a message that contains ${named}`,
  );
}

/** These options are a usage error, with and without a recipient. */
function rejects(args: Arguments, named: string): void {
  rejectsAs("sendmail", args, named);
  rejectsAs("sendmail", [...split(args), "--", TO], named);
}

Deno.test("-t adds the recipients of the header", () => {
  acceptsOptions("-t", { recipientsFrom: "both" });
  acceptsOptions("-t -i", { recipientsFrom: "both" });
  acceptsOptions("-ti", { recipientsFrom: "both" });
  acceptsOptions("-it", { recipientsFrom: "both" });
  acceptsOptions("-oem -t -oi", { recipientsFrom: "both" });
  accepts("-t", { recipientsFrom: "both", recipients: [] });
  accepts("-t --", { recipientsFrom: "both", recipients: [] });
});

Deno.test("-i and -oi have no effect: a lone dot never ends the message", () => {
  for (const args of ["-i", "-oi", "-i -oi", "-o i"]) acceptsOptions(args);
});

Deno.test("-f and -r set the sender, the last one wins", () => {
  const me = parseAddress("me@example.org");
  for (const flag of ["-f", "-r"]) {
    acceptsOptions(`${flag} me@example.org`, { sender: me });
    acceptsOptions(`${flag}me@example.org`, { sender: me });
    acceptsOptions(`-i${flag.slice(1)} me@example.org`, { sender: me });
    acceptsOptions([flag, "<me@example.org>"], { sender: me });
    acceptsOptions([flag, "Me Myself <me@example.org>"], { sender: me });
    acceptsOptions([flag, '"Me, Myself" <me@example.org>'], { sender: me });
    // Three ways to write the null sender; mutt uses the last.
    for (const nullSender of ["", "<>", "@"]) acceptsOptions([flag, nullSender], { sender: null });
    acceptsOptions(`${flag} Me`, { sender: local("Me") });
    acceptsOptions(`${flag} root@vm`, { sender: parseAddress("root@vm") });
    // The next argument is always the value, even if it looks like an option.
    acceptsOptions(`${flag} -oQ/tmp@x.example`, { sender: parseAddress("-oQ/tmp@x.example") });
    acceptsOptions(`${flag} old@x.example ${flag} me@example.org`, { sender: me });
    acceptsOptions([flag, "me@example.org", flag, ""], { sender: null });

    for (
      const wrong of ["a b", "a@x.example, b@x.example", "a@", "@x.example", "a@b@c", "me@example.org>", "<a", ","]
    ) {
      rejects([flag, wrong], wrong);
    }
    for (const control of ["\n", "\r", "\0", "\x1c"]) rejects([flag, `me@example.org${control}`], "Sender");
    rejectsAs("sendmail", flag, flag);
    rejectsAs("sendmail", `-i ${flag}`, flag);
  }
  acceptsOptions("-f old@x.example -r me@example.org", { sender: me });
  acceptsOptions("-r old@x.example -f me@example.org", { sender: me });
});

Deno.test("-F sets the full name", () => {
  acceptsOptions("-FCronDaemon", { fullName: "CronDaemon" });
  acceptsOptions("-F CronDaemon", { fullName: "CronDaemon" });
  acceptsOptions(["-F", "A B"], { fullName: "A B" });
  acceptsOptions(["-F", 'Zoë "Z"'], { fullName: 'Zoë "Z"' });
  acceptsOptions(["-F", "--"], { fullName: "--" });
  acceptsOptions(["-F", ""], { fullName: "" });
  for (const control of ["\n", "\r", "\0", "\x7f", "\t"]) rejects(["-F", `A${control}Bcc: x@y.example`], "-F");
  rejectsAs("sendmail", "-F", "-F");
});

Deno.test("-bm is the default mode", () => {
  acceptsOptions("-bm");
  acceptsOptions("-b m");
});

Deno.test("-bs, -bp, -bi, mailq and newaliases run the real sendmail", () => {
  const real = (name: string, args: string, what: string) =>
    assert.deepEqual(parseFlags(name, args === "" ? [] : split(args)), { mode: "real", what }, `${name} ${args}`);
  real("sendmail", "-bs", "-bs");
  real("sendmail", "-b s", "-bs");
  real("sendmail", "-bs -odb -oem -om", "-bs"); // nmh
  real("sendmail", "-bp", "-bp");
  real("mailq", "", "-bp");
  real("sendmail", "-bi", "-bi");
  real("newaliases", "-v", "-bi");
});

Deno.test("other modes are rejected", () => {
  for (const mode of ["v", "d", "t", "h", "H", "P", "D", "x", "mm"]) rejects(`-b${mode}`, `-b${mode}`);
  rejectsAs("sendmail", "-b", "-b");
});

Deno.test("-N, -R and -V ask for delivery status notifications", () => {
  acceptsOptions("-N failure,delay", { dsn: { notify: "failure,delay" } });
  acceptsOptions("-Nsuccess", { dsn: { notify: "success" } });
  acceptsOptions("-N SUCCESS,Failure", { dsn: { notify: "success,failure" } });
  acceptsOptions("-N never", { dsn: { notify: "never" } });
  acceptsOptions("-N NEVER", { dsn: { notify: "never" } });
  acceptsOptions("-R full", { dsn: { ret: "full" } });
  acceptsOptions("-R HDRS", { dsn: { ret: "hdrs" } });
  acceptsOptions("-Rhdrs", { dsn: { ret: "hdrs" } });
  // RFC 3461 section 4: the id is xtext, `+2B` standing for `+`.
  acceptsOptions("-V QQ314159", { dsn: { envid: "QQ314159" } });
  acceptsOptions(`-V ${"x".repeat(100)}`, { dsn: { envid: "x".repeat(100) } });
  rejects(`-V ${"x".repeat(101)}`, "-V");
  acceptsOptions("-Va+2Bb", { dsn: { envid: "a+2Bb" } });
  acceptsOptions("-N failure -R full -V x", { dsn: { notify: "failure", ret: "full", envid: "x" } });

  for (const wrong of ["", "sometimes", "never,failure", "failure,never", "failure,,delay", "failure delay"]) {
    rejects(["-N", wrong], "-N");
  }
  for (const wrong of ["", "headers", "full,hdrs"]) rejects(["-R", wrong], "-R");
  for (const wrong of ["", "a b", "a=b", "a+b", "a+2b", "ä", "a\n"]) rejects(["-V", wrong], "-V");
  for (const flag of ["-N", "-R", "-V"]) rejectsAs("sendmail", flag, flag);
});

Deno.test("-B accepts 7BIT and 8BITMIME", () => {
  for (const type of ["7BIT", "8BITMIME", "7bit", "8BitMime"]) {
    acceptsOptions(`-B${type}`);
    acceptsOptions(`-B ${type}`);
  }
  for (const wrong of ["", "BINARYMIME", "8BIT"]) rejects(["-B", wrong], "-B");
  rejectsAs("sendmail", "-B", "-B");
});

/** Flags that are ignored together with their argument, which is attached or the next word. */
const IGNORED_WITH_ARGUMENT = {
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

for (const [name, examples] of Object.entries(IGNORED_WITH_ARGUMENT)) {
  Deno.test(name, () => {
    for (const args of examples) acceptsOptions(args);
    const flag = name.slice(0, 2);
    rejectsAs("sendmail", flag, `${flag} needs an argument`);
  });
}

Deno.test("-m -n -v -U -G -x are ignored", () => {
  for (const flag of ["-m", "-n", "-v", "-U", "-G", "-x"]) acceptsOptions(flag);
  acceptsOptions("-imvnf me@example.org", { sender: parseAddress("me@example.org") });
});

Deno.test("-q without recipients is a queue run, with recipients a usage error", () => {
  for (const args of ["-q", "-q30m", "-qf", "-qIabc", "-qRexample.org"]) {
    assert.deepEqual(parseFlags("sendmail", [args]), { mode: "real", what: "-q" }, args);
    rejectsAs("sendmail", [args, TO], "queue run");
    rejectsAs("sendmail", [args, "--", TO], "queue run");
  }
  // The value of -q must be attached, so the next word is a recipient.
  rejectsAs("sendmail", "-q 30m", "queue run");
});

Deno.test("flags whose meaning differs between programs are rejected", () => {
  for (const flag of ["-M id", "-Mid", "-C file", "-C/etc/other.cf"]) rejects(flag, flag.slice(0, 2));
  for (const flag of ["-D", "-d", "-z", "-Q", "-s", "-E", "-J", "-I"]) {
    rejects(flag, flag);
    rejects(`${flag}1`, flag);
    rejects(`${flag} 1`, flag);
  }
  // git's --sendmail-cmd "msmtp -a account", and flags that no program has.
  for (const flag of ["-a", "-k", "-1", "-?"]) rejects(`${flag} ${TO}`, flag);
  rejects("-ia", "-a");
  rejects("--help-me", "--help-me");
  for (const flag of ["--read-envelope", "--from=a@example.org", "--account=a"]) {
    rejects(flag, flag);
  }
});

Deno.test("the long options of msmtp that mail programs pass", () => {
  const request = (...args: string[]) => {
    const invocation = parseFlags("sendmail", args);
    return invocation.mode === "send" ? invocation.request : assert.fail(invocation.mode);
  };
  assert.deepEqual(request("--read-recipients", "-i"), request("-t", "-i"));
  // mu4e and Doom Emacs.
  const read = request("--read-envelope-from", TO);
  assert.deepEqual([read.senderFromHeader, read.sender, read.recipients.length], [true, undefined, 1]);
  assert.equal(request("-f", "greg@example.org", "--read-envelope-from", TO).senderFromHeader, true);
  assert.equal(request("--", TO).senderFromHeader, undefined);
  rejects("-- --read-recipients", "--read-recipients");
  assert.throws(() => request("--read-envelope-from=x", TO), { message: "Option --read-envelope-from takes no value" });
});

Deno.test("--help and --version are recognized as the first argument only", () => {
  for (const mode of ["help", "version"] as const) {
    assert.deepEqual(parseFlags("sendmail", [`--${mode}`]), { mode });
    assert.deepEqual(parseFlags("shim", [`--${mode}`, TO]), { mode });
    rejectsAs("sendmail", `-i --${mode}`, `--${mode}`);
    rejectsAs("sendmail", `-- --${mode}`, `--${mode}`);
  }
});

Deno.test("-- ends the options, and is not a recipient", () => {
  accepts(`-- ${TO}`);
  accepts("-- -oX@a.example", { recipients: many("-oX@a.example") });
  rejectsAs("sendmail", "-- -t", "-t");
  accepts("--", { recipients: [] });
  // mutt with two addresses in envelope_from_address.
  rejectsAs("sendmail", `-f a@b.example c@d.example -- ${TO}`, "--");
  rejectsAs("sendmail", `-- -- ${TO}`, "--");
});

Deno.test("options after the first operand are operands, and invalid as recipients", () => {
  rejectsAs("sendmail", `${TO} -i`, "-i");
  rejectsAs("sendmail", `${TO} -f me@example.org`, "-f");
  rejectsAs("sendmail", `${TO} --`, "--");
  rejectsAs("sendmail", `- ${TO}`, "-");
  accepts(`${TO} -i@a.example`, { recipients: many(TO, "-i@a.example") });
});

Deno.test("an operand is an address list", () => {
  const two = { recipients: many("a@x.example", "b@x.example") };
  accepts("a@x.example b@x.example", two);
  accepts("a@x.example,b@x.example", two); // cron
  accepts(["a@x.example, B <b@x.example>"], two); // Gnus, in one word
  accepts(["friends: a@x.example, b@x.example;"], two);
  accepts(["grp: ;", "a@x.example,b@x.example"], two);
  accepts(["<a@x.example>", "b@x.example (B, not A)"], two);
  accepts(['"-x"@x.example'], { recipients: many('"-x"@x.example') });
  accepts(["root"], { recipients: [local("root")] });
  // Without recipients parsing succeeds: the header may contain some, and plan() rejects a message without any.
  for (const empty of [[], [""], [","], ["grp: ;"]]) accepts(empty, { recipients: [] });
  // Duplicates and upper case are kept.
  accepts(`${TO} TO@a.example`, { recipients: many(TO, "TO@a.example") });

  for (
    const wrong of ["<>", "a b", 'Name"', "a@", "@x.example", "a@x.example b@x.example", "<a@x.example", "a;"]
  ) {
    rejectsAs("sendmail", ["--", wrong], "Recipient");
    rejectsAs("sendmail", ["--", TO, wrong], "Recipient");
  }
  for (const control of ["\n", "\r", "\0", "\x1b"]) rejectsAs("sendmail", ["--", `${TO}${control}`], "Recipient");
  rejectsAs("sendmail", ["--", `${TO}\nbcc@x.example`], "Recipient");
});

Deno.test("qmail-inject has its own flags", () => {
  const as = (args: Arguments, differs: Partial<OutgoingRequest>) => accepts(args, differs, "qmail-inject");
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
  for (const flag of ["-t", "-i", "-oi", "-bs", "--help"]) rejectsAs("qmail-inject", [flag, TO], flag.slice(0, 2));
  rejectsAs("qmail-inject", "-f", "-f");
  rejectsAs("qmail-inject", ["-f", "a b", TO], "Sender");
});
