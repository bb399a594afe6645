/** Everything that can be wrong with what the shim is given: one line that names it, a status, and nothing is sent. */
import assert from "node:assert/strict";
import { Home, oneLine, type Ran, ROOT } from "../rig.ts";
import { byStub, nothingSent, runs } from "../stub.ts";

const SHIM = `${ROOT}/shim/shim`;
const HEAD = "From: greg@example.org\nMessage-ID: <1@example.org>\n";
const MAIL = `${HEAD}To: ann@example.net\n\nHi.\n`;
const TO = ["ann@example.net"];
const KEYS = ".config/countersign/keys";
const CONFIG = ".config/countersign/config.toml";
const root = Deno.uid() === 0;
/** Somebody who is not root and not us. */
const STRANGER = 65534;

/** Both ways out; `more` stands in the identity's table. */
const WAYS: Record<string, (home: Home, more?: string) => void> = {
  "a program": (home, more = "") => home.settings(`${more}\n${byStub(home)}`),
  "a maildir": (home, more = "") => home.settings(`${more}\n[transport]\nvia = "maildir"\nmaildir = "~/out"\n`),
};

/** One thing wrong. */
interface Bad {
  what: string;
  args?: string[];
  mail?: string | Uint8Array;
  prepare?: (home: Home) => void;
  status: number;
  /** What the line says. */
  says: string | ((home: Home) => string);
}

const bad: Bad[] = [
  { what: "an unknown flag", args: ["-Z", ...TO], status: 64, says: '"-Z"' },
  { what: "an unknown long option", args: ["--verbose", ...TO], status: 64, says: '"--verbose"' },
  { what: "a mode that is not offered", args: ["-bd"], status: 64, says: '"-bd"' },
  { what: "a flag without its argument", args: ["-f"], status: 64, says: "-f" },
  { what: "LF in a recipient", args: ["a@b.example\nc@d.example"], status: 64, says: '"a@b.example\\nc@d.example"' },
  { what: "CR in a recipient", args: ["a@b.example\rc@d.example"], status: 64, says: '"a@b.example\\rc@d.example"' },
  { what: "LF in the sender", args: ["-f", "a@b.example\n", ...TO], status: 64, says: 'Sender "a@b.example\\n"' },
  { what: "CR in the sender", args: ["-fa\r@b.example", ...TO], status: 64, says: 'Sender "a\\r@b.example"' },
  { what: "LF in the full name", args: ["-F", "a\nBcc: b@c.example", ...TO], status: 64, says: "-F" },
  { what: "a recipient that is none", args: ["a@"], status: 64, says: '"a@"' },
  { what: "no recipients", args: [], status: 64, says: "recipients" },
  { what: "no recipients with -t", args: ["-t"], mail: `${HEAD}\nHi.\n`, status: 64, says: "recipients" },
  {
    what: "CR in the header",
    args: ["-t"],
    mail: `${HEAD}To: a@b.example\rc@d.example\n\n`,
    status: 65,
    says: "Field To contains CR or NUL",
  },
  {
    what: "NUL in the header",
    args: ["-t"],
    mail: `${HEAD}Cc: a\0@b.example\n\n`,
    status: 65,
    says: "Field Cc contains CR or NUL",
  },
  { what: "no address in the header", args: ["-t"], mail: `${HEAD}Bcc: a@\n\n`, status: 65, says: "Bcc" },
  { what: "two Message-IDs", args: TO, mail: `Message-ID: <2@b.example>\n${MAIL}`, status: 65, says: "2 Message-ID" },
  {
    what: "a header without end",
    args: TO,
    mail: `${HEAD}${"X-Long: header\n".repeat(80_000)}`,
    status: 65,
    says: "header is longer",
  },
  {
    what: "a key file that all may read",
    prepare: (home) => Deno.chmodSync(`${home.path}/${KEYS}`, 0o644),
    status: 77,
    says: (home) => `${home.path}/${KEYS}: Key file is readable by others (mode 0644): chmod 600 ${home.path}/${KEYS}`,
  },
  {
    what: "a key file that the group may read",
    prepare: (home) => Deno.chmodSync(`${home.path}/${KEYS}`, 0o640),
    status: 77,
    says: (home) => `${home.path}/${KEYS}: Key file is readable by others (mode 0640): chmod 600 ${home.path}/${KEYS}`,
  },
  {
    what: "a key file that is not there",
    prepare: (home) => Deno.removeSync(`${home.path}/${KEYS}`),
    status: 78,
    says: (home) => `${home.path}/${KEYS}: Key file does not exist: countersign keys new`,
  },
  {
    what: "a key file that is a folder",
    prepare: (home) => {
      Deno.removeSync(`${home.path}/${KEYS}`);
      Deno.mkdirSync(`${home.path}/${KEYS}`);
    },
    status: 78,
    says: (home) => `${home.path}/${KEYS}: Key file is not a regular file`,
  },
  {
    what: "a key file with a bad line",
    prepare: (home) => home.write(KEYS, "# old\nk1 yesterday tick-tock\n", 0o600),
    status: 78,
    says: (home) => `${home.path}/${KEYS}:2: `,
  },
  {
    what: "settings that all may write",
    prepare: (home) => Deno.chmodSync(`${home.path}/${CONFIG}`, 0o646),
    status: 77,
    says: (home) =>
      `${home.path}/${CONFIG}: Settings file is writable by others (mode 0646): chmod 644 ${home.path}/${CONFIG}`,
  },
  {
    what: "an unknown setting",
    prepare: (home) => home.write(CONFIG, `# mine\n${home.read(CONFIG)}\n[srs]\nhash_size = 8\n`),
    status: 78,
    says: (home) =>
      `${CONFIG}:${home.read(CONFIG).split("\n").indexOf("hash_size = 8") + 1}: Unknown setting srs.hash_size`,
  },
  {
    what: "no settings",
    prepare: (home) => Deno.removeSync(`${home.path}/${CONFIG}`),
    status: 78,
    says: (home) => `${home.path}/${CONFIG}: Settings file does not exist: countersign init`,
  },
  {
    what: "settings that are a folder",
    prepare: (home) => {
      Deno.removeSync(`${home.path}/${CONFIG}`);
      Deno.mkdirSync(`${home.path}/${CONFIG}`);
    },
    status: 78,
    says: (home) => `${home.path}/${CONFIG}: Settings file is not a regular file`,
  },
];
if (root) {
  for (const [what, name] of [["a key file", KEYS], ["a settings file", CONFIG]] as const) {
    bad.push({
      what: `${what} of somebody else`,
      prepare: (home) => Deno.chownSync(`${home.path}/${name}`, STRANGER, STRANGER),
      status: 77,
      says: (home) => `file belongs to user ${STRANGER}, not to 0: chown 0 ${home.path}/${name}`,
    });
  }
}

/** One line, with this in it. */
function says(ran: Ran, status: number, what: string): void {
  oneLine(ran, status, /^shim: [^\n]+\n$/);
  assert.ok(ran.stderr.includes(what), `${what} is not in: ${ran.stderr}`);
  assert.equal(ran.stdout, "");
}

for (const { what, args = TO, mail = MAIL, prepare, status, says: line } of bad) {
  for (const [way, settings] of Object.entries(WAYS)) {
    Deno.test(`${what}, by ${way}: ${status}, one line, nothing sent`, async () => {
      using home = new Home();
      settings(home);
      prepare?.(home);
      says(await home.shim(args, mail), status, typeof line === "string" ? line : line(home));
      nothingSent(home);
    });
  }
}

Deno.test("nothing of this is wrong with what the tables begin with", async () => {
  for (const [way, settings] of Object.entries(WAYS)) {
    using home = new Home();
    settings(home);
    const ran = await home.shim(TO, MAIL);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    assert.deepEqual([runs(home), home.mails("out").length], way === "a program" ? [1, 0] : [0, 1]);
  }
});

// Deno gives no such argument, so a shell does it.
for (const [what, argument] of [["recipient", "s\\377r@b.example"], ["sender", "-fs\\377r@b.example"]] as const) {
  Deno.test(`a ${what} that is not UTF-8: 64, one line, nothing sent`, async () => {
    for (const settings of Object.values(WAYS)) {
      using home = new Home();
      settings(home);
      const ran = await home.run(["sh", "-c", `exec "$0" "$(printf '%b' "$1")" "$2"`, SHIM, argument, ...TO], MAIL);
      says(ran, 64, "is not UTF-8");
      nothingSent(home);
    }
  });
}

Deno.test("a key file of the group is fine where the settings say so, one of all is not", async () => {
  const rows = [[0o600, 0], [0o640, 0], [0o440, 0], [0o644, 77], [0o660, 77], [0o650, 77]] as const;
  for (const [mode, status] of rows) {
    using home = new Home();
    WAYS["a program"]!(home, "group = true");
    Deno.chmodSync(`${home.path}/${KEYS}`, mode);
    // It is a user's, lent to the group of the hook.
    if (root) Deno.chownSync(`${home.path}/${KEYS}`, STRANGER, STRANGER);
    const ran = await home.shim(TO, MAIL);
    assert.equal(ran.code, status, `0${mode.toString(8)}: ${ran.stderr}`);
    assert.equal(runs(home), status === 0 ? 1 : 0);
    if (status !== 0) {
      says(ran, status, ` is readable by others (mode 0${mode.toString(8)}): chmod ${(mode & 0o740).toString(8)} `);
    }
  }
});
