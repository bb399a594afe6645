/** Invalid arguments, messages and settings: the shim prints one line that names the problem and sends nothing. */
import assert from "node:assert/strict";
import { shimHere } from "../admin/resident.ts";
import { Home, oneLine, type Ran, ROOT } from "../rig.ts";
import { nothingSent, stubRuns, stubTransport } from "../stub.ts";

const SHIM = `${ROOT}/shim/shim`;
const HEAD = "From: greg@example.org\nMessage-ID: <1@example.org>\n";
const MAIL = `${HEAD}To: ann@example.net\n\nHi.\n`;
const TO = ["ann@example.net"];
const KEYS = ".config/countersign/keys";
const CONFIG = ".config/countersign/config.toml";
const root = Deno.uid() === 0;
/** A user other than root and the one who runs the tests. */
const OTHER_UID = 65534;

/** Both transports; `more` is added to the identity's table. */
const TRANSPORTS: Record<string, (home: Home, more?: string) => void> = {
  "a program": (home, more = "") => home.settings(`${more}\n${stubTransport(home)}`),
  "a maildir": (home, more = "") => home.settings(`${more}\n[transport]\nvia = "maildir"\nmaildir = "~/out"\n`),
};

interface Problem {
  what: string;
  args?: string[];
  mail?: string | Uint8Array;
  prepare?: (home: Home) => void;
  status: number;
  /** Text in the error message. */
  message: string | ((home: Home) => string);
}

const problems: Problem[] = [
  { what: "an unknown flag", args: ["-Z", ...TO], status: 64, message: '"-Z"' },
  { what: "an unknown long option", args: ["--verbose", ...TO], status: 64, message: '"--verbose"' },
  { what: "a mode that is not offered", args: ["-bd"], status: 64, message: '"-bd"' },
  { what: "a flag without its argument", args: ["-f"], status: 64, message: "-f" },
  { what: "LF in a recipient", args: ["a@b.example\nc@d.example"], status: 64, message: '"a@b.example\\nc@d.example"' },
  { what: "CR in a recipient", args: ["a@b.example\rc@d.example"], status: 64, message: '"a@b.example\\rc@d.example"' },
  { what: "LF in the sender", args: ["-f", "a@b.example\n", ...TO], status: 64, message: 'Sender "a@b.example\\n"' },
  { what: "CR in the sender", args: ["-fa\r@b.example", ...TO], status: 64, message: 'Sender "a\\r@b.example"' },
  { what: "LF in the full name", args: ["-F", "a\nBcc: b@c.example", ...TO], status: 64, message: "-F" },
  { what: "a recipient without a domain after the at sign", args: ["a@"], status: 64, message: '"a@"' },
  { what: "no recipients", args: [], status: 64, message: "recipients" },
  { what: "no recipients with -t", args: ["-t"], mail: `${HEAD}\nHi.\n`, status: 64, message: "recipients" },
  {
    what: "CR in the header",
    args: ["-t"],
    mail: `${HEAD}To: a@b.example\rc@d.example\n\n`,
    status: 65,
    message: "Field To contains CR or NUL",
  },
  {
    what: "NUL in the header",
    args: ["-t"],
    mail: `${HEAD}Cc: a\0@b.example\n\n`,
    status: 65,
    message: "Field Cc contains CR or NUL",
  },
  { what: "no address in the header", args: ["-t"], mail: `${HEAD}Bcc: a@\n\n`, status: 65, message: "Bcc" },
  {
    what: "two Message-IDs",
    args: TO,
    mail: `Message-ID: <2@b.example>\n${MAIL}`,
    status: 65,
    message: "2 Message-ID",
  },
  {
    what: "a header over the limit",
    args: TO,
    mail: `${HEAD}${"X-Long: header\n".repeat(80_000)}`,
    status: 65,
    message: "header is longer",
  },
  {
    what: "a key file that others may read",
    prepare: (home) => Deno.chmodSync(`${home.path}/${KEYS}`, 0o644),
    status: 77,
    message: (home) =>
      `${home.path}/${KEYS}: Key file is readable by others (mode 0644): chmod 600 ${home.path}/${KEYS}`,
  },
  {
    what: "a key file that the group may read",
    prepare: (home) => Deno.chmodSync(`${home.path}/${KEYS}`, 0o640),
    status: 77,
    message: (home) =>
      `${home.path}/${KEYS}: Key file is readable by others (mode 0640): chmod 600 ${home.path}/${KEYS}`,
  },
  {
    what: "a missing key file",
    prepare: (home) => Deno.removeSync(`${home.path}/${KEYS}`),
    status: 78,
    message: (home) => `${home.path}/${KEYS}: Key file does not exist: countersign keys new`,
  },
  {
    what: "a key file that is a folder",
    prepare: (home) => {
      Deno.removeSync(`${home.path}/${KEYS}`);
      Deno.mkdirSync(`${home.path}/${KEYS}`);
    },
    status: 78,
    message: (home) => `${home.path}/${KEYS}: Key file is not a regular file`,
  },
  {
    what: "a key file with a bad line",
    prepare: (home) => home.write(KEYS, "# old\nk1 yesterday tick-tock\n", 0o600),
    status: 78,
    message: (home) => `${home.path}/${KEYS}:2: `,
  },
  {
    what: "a settings file that others may write",
    prepare: (home) => Deno.chmodSync(`${home.path}/${CONFIG}`, 0o646),
    status: 77,
    message: (home) =>
      `${home.path}/${CONFIG}: Settings file is writable by others (mode 0646): chmod 644 ${home.path}/${CONFIG}`,
  },
  {
    what: "an unknown setting",
    prepare: (home) => home.write(CONFIG, `# mine\n${home.read(CONFIG)}\n[srs]\nhash_size = 8\n`),
    status: 78,
    message: (home) =>
      `${CONFIG}:${home.read(CONFIG).split("\n").indexOf("hash_size = 8") + 1}: Unknown setting srs.hash_size`,
  },
  {
    what: "a missing settings file",
    prepare: (home) => Deno.removeSync(`${home.path}/${CONFIG}`),
    status: 78,
    message: (home) => `${home.path}/${CONFIG}: Settings file does not exist: countersign init`,
  },
  {
    what: "a settings file that is a folder",
    prepare: (home) => {
      Deno.removeSync(`${home.path}/${CONFIG}`);
      Deno.mkdirSync(`${home.path}/${CONFIG}`);
    },
    status: 78,
    message: (home) => `${home.path}/${CONFIG}: Settings file is not a regular file`,
  },
];
if (root) {
  for (const [what, name] of [["a key file", KEYS], ["a settings file", CONFIG]] as const) {
    problems.push({
      what: `${what} that belongs to another user`,
      prepare: (home) => Deno.chownSync(`${home.path}/${name}`, OTHER_UID, OTHER_UID),
      status: 77,
      message: (home) => `file belongs to user ${OTHER_UID}, not to 0: chown 0 ${home.path}/${name}`,
    });
  }
}

/** Asserts that the program failed with one line of standard error that contains this text. */
function assertError(ran: Ran, status: number, text: string): void {
  oneLine(ran, status, /^shim: [^\n]+\n$/);
  assert.ok(ran.stderr.includes(text), `${text} is not in: ${ran.stderr}`);
  assert.equal(ran.stdout, "");
}

for (const { what, args = TO, mail = MAIL, prepare, status, message } of problems) {
  for (const [transport, settings] of Object.entries(TRANSPORTS)) {
    Deno.test(`${what}, with ${transport}: exit ${status}, one line, nothing sent`, async () => {
      using home = new Home();
      settings(home);
      prepare?.(home);
      assertError(await shimHere(home, args, mail), status, typeof message === "string" ? message : message(home));
      nothingSent(home);
    });
  }
}

Deno.test("the unchanged arguments, message and settings of these tests are valid", async () => {
  for (const [transport, settings] of Object.entries(TRANSPORTS)) {
    using home = new Home();
    settings(home);
    const ran = await home.shim(TO, MAIL);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    assert.deepEqual([stubRuns(home), home.mails("out").length], transport === "a program" ? [1, 0] : [0, 1]);
  }
});

// Deno cannot pass such an argument, but a shell can.
for (const [what, argument] of [["recipient", "s\\377r@b.example"], ["sender", "-fs\\377r@b.example"]] as const) {
  Deno.test(`a ${what} that is not UTF-8: exit 64, one line, nothing sent`, async () => {
    for (const settings of Object.values(TRANSPORTS)) {
      using home = new Home();
      settings(home);
      const ran = await home.run(["sh", "-c", `exec "$0" "$(printf '%b' "$1")" "$2"`, SHIM, argument, ...TO], MAIL);
      assertError(ran, 64, "is not UTF-8");
      nothingSent(home);
    }
  });
}

Deno.test("with group = true the group may read the key file, but others may not", async () => {
  const rows = [[0o600, 0], [0o640, 0], [0o440, 0], [0o644, 77], [0o660, 77], [0o650, 77]] as const;
  for (const [mode, status] of rows) {
    using home = new Home();
    TRANSPORTS["a program"]!(home, "group = true");
    Deno.chmodSync(`${home.path}/${KEYS}`, mode);
    // The key file belongs to another user, who shares it with the group of the hook.
    if (root) Deno.chownSync(`${home.path}/${KEYS}`, OTHER_UID, OTHER_UID);
    const ran = await shimHere(home, TO, MAIL);
    assert.equal(ran.code, status, `0${mode.toString(8)}: ${ran.stderr}`);
    assert.equal(stubRuns(home), status === 0 ? 1 : 0);
    if (status !== 0) {
      assertError(
        ran,
        status,
        ` is readable by others (mode 0${mode.toString(8)}): chmod ${(mode & 0o740).toString(8)} `,
      );
    }
  }
});
