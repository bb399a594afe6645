/**
 * authup and fixsmtpio answer as the programs of acceptutils did: every claim that an administrator may rely on is a
 * transcript in tests/recorded. Where ours differ on purpose, the table says how, and why.
 */
import assert from "node:assert/strict";
import { Home, ROOT } from "../rig.ts";
import { CHAIN, Talk } from "./talk.ts";

interface Recorded {
  name: string;
  args?: string[];
  rules?: string;
  env: Record<string, string>;
  steps: string[];
  code: number;
  replies: string[];
  /** What the stand-ins for server and checkpassword have logged. */
  server: string[];
}

/** What is different with ours: texts of the transcript and their replacements, the status, what the server gets. */
interface Difference {
  readonly why: string;
  readonly replace?: readonly (readonly [from: string, to: string])[];
  readonly replies?: readonly string[];
  readonly code?: number;
  readonly server?: readonly string[];
}

const recorded = (program: string): Recorded[] =>
  JSON.parse(Deno.readTextFileSync(`${ROOT}/tests/recorded/${program}.json`)).cases;

const HELPS = "the home page of acceptutils is not ours";
const GREETING = "220 mx.example.org ESMTP\r\n";
const QUIT = "221 mx.example.org\r\n";
const [CANCELLED, MALFORMED] = [
  "501 authup auth exchange cancelled (#5.0.0)\r\n",
  "501 authup malformed auth input (#5.5.4)\r\n",
];
const CONTENT = ["cmd: MAIL FROM:<a@b.example>", "cmd: RCPT TO:<c@d.example>", "cmd: DATA"];
const ACCEPTED = [
  "235 ok, go ahead (#2.0.0)\r\n",
  "250 ok MAIL FROM:<a@b.example>\r\n",
  "250 ok RCPT TO:<c@d.example>\r\n",
  "354 go ahead\r\n",
];
const sameTimestamp = (tries: number) =>
  Array.from({ length: tries }, () => ["descriptor 3: e1|pw||", "AUTHUP_USER: e1"]).flat();
const NOT_RUN = {
  why: "the program cannot be run",
  replies: [GREETING, "421 authup unable to read controls (#4.3.0)\r\n", ""],
  code: 1,
};

const DIFFERENCES: Record<string, Difference> = {
  // fixsmtpio
  "the seed's rules, after a login": {
    why: HELPS,
    replace: [["214-fixsmtpio home page: https://schmonz.com/qmail/acceptutils", "214-fixsmtpio: see fixsmtpio(8)"]],
    server: [
      ...["cmd: EHLO me", "cmd: HELO me", "cmd: HELP", "cmd: NOOP AUTH PLAIN x", "cmd: NOOP STARTTLS", ...CONTENT],
      ...["data: Subject: x", "data: ", "data: .", "cmd: QUIT"],
    ],
  },
  "the seed's rules, without a login": {
    why: "STARTTLS is mentioned once",
    server: ["cmd: EHLO me", "cmd: AUTH PLAIN x", "cmd: NOOP fixsmtpio STARTTLS", "cmd: QUIT"],
  },
  "QUIT in the packet of the final dot": {
    why: "theirs takes QUIT for content, and the reply for a timeout",
    replies: [...ACCEPTED, `250 ok qp\r\n${QUIT}`, ""],
    code: 0,
  },
  "the content in one packet with a dot in the middle of a line": {
    why: "theirs takes the end of a packet for the end of a line",
    replies: [...ACCEPTED, "", "", "250 ok qp\r\n", QUIT, ""],
  },
  "a lone dot between bare LF": {
    why: "the server may see the end of the message there, and a smuggled one after it",
    replies: [...ACCEPTED, "451 fixsmtpio: bare LF at the end of a message (#5.6.0)\r\n", "", "", ""],
    code: 75,
    server: CONTENT,
  },
  // authup
  "PLAIN is cancelled": { why: "one reply", replies: [GREETING, "334 \r\n", CANCELLED, QUIT, ""] },
  "LOGIN is cancelled at the login": {
    why: "one reply, and the password is not asked for",
    replies: [GREETING, "334 VXNlcm5hbWU6\r\n", CANCELLED, QUIT, ""],
    code: 0,
  },
  "LOGIN with an empty login": {
    why: "one reply, and the password is not asked for",
    replies: [GREETING, "334 VXNlcm5hbWU6\r\n", MALFORMED, QUIT, ""],
    code: 0,
  },
  "LOGIN is cancelled at the password": {
    why: "one reply",
    replies: [GREETING, "334 UGFzc3dvcmQ6\r\n", CANCELLED, QUIT, ""],
  },
  "five tries": { why: "the timestamp does not grow", server: sameTimestamp(5) },
  "-t 2": { why: "the timestamp does not grow", server: sameTimestamp(2) },
  "exit status 111": {
    why: "a temporary failure is not a wrong password",
    replies: [GREETING, "454 authup temporary authentication failure (#4.7.0)\r\n", QUIT, ""],
  },
  "exit status 126": NOT_RUN,
  "exit status 127": NOT_RUN,
  HELP: { why: HELPS, replies: [GREETING, "214 authup: log in with AUTH, see authup(8)\r\n", QUIT, ""] },
  "commands after AUTH in one packet": {
    why: "theirs loses the command",
    replies: [GREETING, "503 authup commands must not follow AUTH before it is answered (#5.5.1)\r\n", QUIT, ""],
    server: [],
  },
  "without smtpcapabilities": {
    why: "what ofmipd can do is the default",
    replies: [
      GREETING,
      "250-mx.example.org\r\n250-AUTH LOGIN PLAIN\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
      "",
    ],
    code: 12,
  },
  "the client disconnects": {
    why: "nobody reads a reply, and reup must not run again",
    replace: [["454 authup unable to read pipe (#4.3.0)\r\n", ""]],
    code: 12,
  },
};

/** Runs a transcript, and compares. */
async function replay(program: "authup" | "fixsmtpio", one: Recorded): Promise<void> {
  using home = new Home();
  home.write("control/me", "mx.example.org\n");
  home.write("control/pop3capabilities", "UIDL\n");
  if (one.env.CAPS === undefined) home.write("control/smtpcapabilities", "PIPELINING\n8BITMIME\n");
  if (one.rules !== undefined) home.write("control/fixsmtpio", one.rules);
  // The name of a case of one program may occur in the other.
  const found = one.name === "the client disconnects" && program === "fixsmtpio" ? undefined : DIFFERENCES[one.name];
  const expected = (found?.replies ?? one.replies).map((text) =>
    (found?.replace ?? []).reduce((all, [from, to]) => all.replace(from, to), text)
  );
  const [server, checkpassword] = ["server", "checkpassword"].map((name) => `${ROOT}/tests/submit/chain/${name}`);
  const tail = program === "fixsmtpio" ? [server!] : one.name === "no protocol" ? [] : [checkpassword!, server!];
  const env = { ...one.env, LOG: `${home.path}/log` };
  await using talk = new Talk(home, [`${CHAIN}/${program}`, ...one.args ?? [], ...tail], env);
  const replies: string[] = [];
  for (const [nth, step] of ["", ...one.steps].entries()) {
    await talk.send(step);
    replies.push(await talk.received(expected[nth]!.replace("PID.TIME", "1.1234567890")));
  }
  const { rest, code, stderr } = await talk.end();
  replies.push(rest);
  // What is sent before a program ends may arrive with the step before.
  const all = (texts: readonly string[]) => texts.join("").replaceAll(/<\d+\.\d+@/g, "<PID.TIME@");
  assert.equal(all(replies), all(expected), stderr);
  assert.equal(code, found?.code ?? one.code, stderr);
  const log = home.read("log").split("\n").slice(0, -1);
  assert.deepEqual(log.map((line) => all([line])), found?.server ?? one.server, stderr);
}

for (const program of ["fixsmtpio", "authup"] as const) {
  const cases = recorded(program);
  for (const one of cases) {
    const why = DIFFERENCES[one.name]?.why;
    Deno.test(`${program}: ${one.name}${why === undefined ? "" : ` (${why})`}`, () => replay(program, one));
  }
}

Deno.test("every difference belongs to a transcript", () => {
  const names = new Set(["authup", "fixsmtpio"].flatMap((program) => recorded(program).map(({ name }) => name)));
  assert.deepEqual(Object.keys(DIFFERENCES).filter((name) => !names.has(name)), []);
});
