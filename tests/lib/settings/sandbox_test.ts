/** What shim and hook may touch: a table of settings, and nothing that they do not name. */
import assert from "node:assert/strict";
import { sandboxFile } from "../../../lib/paths.ts";
import { ordinaryAddresses, permissions, printSandbox } from "../../../lib/settings/sandbox.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { Fail } from "../../../lib/fail.ts";
import { type NamedSetting, SETTINGS } from "../../../lib/settings/schema.ts";

const PLACE = { file: "/home/greg/.config/countersign/config.toml", home: "/home/greg" };
const IDENTITY = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n`;

/** The lines for these settings, without the comment. */
function lines(more: string, top = "", place = PLACE): string[] {
  const text = printSandbox(permissions(parseConfig(`${top}\n${IDENTITY}\n${more}`, place), place), []);
  assert.match(text, /^# .*\n/);
  return text.split("\n").slice(1, -1);
}

const FOLDER = "/home/greg/.config/countersign";
const STATE = "/home/greg/.local/state/countersign";
const SETTLED = [...["config.toml", "plain-lists", "keys"].map((name) => `${FOLDER}/${name}`), STATE];
const SPAM = "/home/greg/Maildir/.Spam";
const COMMAND = `[transport]\npreset = "sendmail"\n`;

Deno.test("default settings: three files and the state, one program for the shim, none for the hook without --forward", () => {
  assert.deepEqual(lines(COMMAND), [
    ...SETTLED.map((path) => `shim --allow-read=${path}`),
    `shim --allow-write=${STATE}`,
    "shim --allow-run=/usr/bin/printenv",
    "shim --allow-run=/usr/sbin/sendmail",
    "shim --allow-run=/bin/kill",
    ...[...SETTLED, SPAM].map((path) => `incoming --allow-read=${path}`),
    `incoming --allow-write=${STATE}`,
    `incoming --allow-write=${SPAM}`,
    "incoming --allow-run=/usr/bin/printenv",
    "forward --allow-run=/usr/sbin/sendmail",
    "forward --allow-run=/bin/kill",
  ]);
});

const SMTP = `[transport]\nvia = "smtp"\nhost = "smtp.example.org"\nca = "/etc/ca.pem"\n`;
/** What goes with a way out that runs none. */
const NO_PROGRAM = ["shim", "forward"].flatMap((
  one,
) => [`${one} --allow-run=/usr/sbin/sendmail`, `${one} --allow-run=/bin/kill`]);

/** [settings, lines that they add to those of the default, lines that they take away] */
const cases: [string, string[], string[]][] = [
  [`${COMMAND}command = ["/opt/my injector", "-x"]\n`, [
    "shim --allow-run=/opt/my injector",
    "forward --allow-run=/opt/my injector",
  ], ["shim --allow-run=/usr/sbin/sendmail", "forward --allow-run=/usr/sbin/sendmail"]],
  [`${COMMAND}real = ["/usr/lib/sendmail"]\n`, ["shim --allow-run=/usr/lib/sendmail"], []],
  [`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, [
    "shim --allow-read=/home/greg/out",
    "shim --allow-write=/home/greg/out",
    "forward --allow-read=/home/greg/out",
    "forward --allow-write=/home/greg/out",
  ], [
    "shim --allow-run=/usr/sbin/sendmail",
    "shim --allow-run=/bin/kill",
    "forward --allow-run=/usr/sbin/sendmail",
    "forward --allow-run=/bin/kill",
  ]],
  [`${SMTP}`, [
    "shim --allow-net=smtp.example.org:465",
    "shim --allow-read=/etc/ca.pem",
    "forward --allow-net=smtp.example.org:465",
    "forward --allow-read=/etc/ca.pem",
  ], NO_PROGRAM],
  [`${SMTP}port = 2525\nuser = "greg"\npassword_file = "~/.password"\n[incoming]\nforward = true\n`, [
    "shim --allow-net=smtp.example.org:2525",
    "shim --allow-read=/etc/ca.pem",
    "shim --allow-read=/home/greg/.password",
    "incoming --allow-net=smtp.example.org:2525",
    "incoming --allow-read=/etc/ca.pem",
    "incoming --allow-read=/home/greg/.password",
  ], NO_PROGRAM],
  [`[transport]\nvia = "smtp"\nhost = "::1"\nsecurity = "none"\n`, [
    "shim --allow-net=[::1]:25",
    "forward --allow-net=[::1]:25",
  ], NO_PROGRAM],
  [`${COMMAND}[incoming]\nforward = true\n`, [
    "incoming --allow-run=/usr/sbin/sendmail",
    "incoming --allow-run=/bin/kill",
  ], ["forward --allow-run=/usr/sbin/sendmail", "forward --allow-run=/bin/kill"]],
  [`${COMMAND}[challenge]\nanswer = true\n[tag]\npymsgauth = "~/.pymsgauth"\n`, [
    "incoming --allow-run=/usr/sbin/sendmail",
    "incoming --allow-run=/bin/kill",
    "incoming --allow-read=/home/greg/Maildir/.Answered",
    "incoming --allow-write=/home/greg/Maildir/.Answered",
    "incoming --allow-read=/home/greg/.pymsgauth",
    "incoming --allow-write=/home/greg/.pymsgauth",
  ], ["forward --allow-run=/usr/sbin/sendmail", "forward --allow-run=/bin/kill"]],
  [`${COMMAND}[incoming]\nspam_command = ["/usr/bin/safecat", "tmp", "new"]\ninbox = "~/Maildir"\n`, [
    "incoming --allow-run=/usr/bin/safecat",
    "incoming --allow-run=/bin/kill",
    "incoming --allow-read=/home/greg/Maildir",
    "incoming --allow-write=/home/greg/Maildir",
  ], [`incoming --allow-read=${SPAM}`, `incoming --allow-write=${SPAM}`]],
  // A permission for a folder includes its contents.
  [`${COMMAND}[incoming]\ninbox = "~/Maildir"\n`, [
    "incoming --allow-read=/home/greg/Maildir",
    "incoming --allow-write=/home/greg/Maildir",
  ], [`incoming --allow-read=${SPAM}`, `incoming --allow-write=${SPAM}`]],
  [`${COMMAND}[serve]\nsocket_folder = "/run/c"\n`, [
    "serve --allow-read=/home/greg/.config/countersign/config.toml",
    "serve --allow-read=/home/greg/.config/countersign/keys",
    "serve --allow-read=/home/greg/.config/countersign/plain-lists",
    "serve --allow-read=/home/greg/.local/state/countersign",
    "serve --allow-read=/run/c",
    "serve --allow-write=/home/greg/.local/state/countersign",
    "serve --allow-write=/run/c",
    "serve --allow-net=unix:/run/c/door",
    "serve --allow-net=unix:/run/c/sign",
  ], []],
];
for (const [settings, more, less] of cases) {
  Deno.test(`${JSON.stringify(settings)} permits ${more.join(", ")}`, { permissions: "none" }, () => {
    const [usual, these] = [lines(COMMAND), lines(settings)];
    assert.deepEqual(these.filter((line) => !usual.includes(line)).sort(), more.sort());
    assert.deepEqual(usual.filter((line) => !these.includes(line)).sort(), less.sort());
    assert.equal(new Set(these).size, these.length, "a line twice");
  });
}

/** [identities, other settings, the ordinary addresses] */
const ordinary: [string, string, string[]][] = [
  [IDENTITY, "", ["greg@example.org"]],
  [IDENTITY, "[challenge]\nanswer = true\n", []],
  [IDENTITY, '[tag]\npymsgauth = "~/.pymsgauth"\n', []],
  [IDENTITY.replace("greg@example.org", "Greg.W+x@EXAMPLE.org"), "", ["greg.w+x@example.org"]],
  [`${IDENTITY}[[identity]]\naddress = "ann@example.net"\nkeys = "~/k"\n`, "", ["greg@example.org", "ann@example.net"]],
  // What MTAs write in several ways, and what looks signed.
  [IDENTITY.replace("greg@", "o'greg@"), "", []],
  [IDENTITY.replace("greg@", "SRS0=a=b=c=greg@"), "", []],
  [IDENTITY.replace("greg@", "prvs=0123abcdef=greg@"), "", []],
  [`${IDENTITY}also = ["greg+*@example.org"]\n`, "", ["greg@example.org"]],
];
for (const [identities, more, addresses] of ordinary) {
  Deno.test(`${JSON.stringify(identities + more)}: ordinary are ${addresses}`, { permissions: "none" }, () => {
    const settings = parseConfig(`${identities}${COMMAND}${more}`, PLACE);
    assert.deepEqual(ordinaryAddresses(settings), addresses);
    const text = printSandbox([], addresses).split("\n").slice(1, -1);
    assert.deepEqual(text, addresses.map((one) => `ordinary ${one}`));
  });
}

/** With each of them settings have a meaning that have none with the others. */
const WAYS = [
  `transport.preset = "sendmail"\n`,
  `transport.via = "maildir"\ntransport.maildir = "/box"\n`,
  `transport.via = "smtp"\ntransport.host = "mx.example"\ntransport.user = "greg"\ntransport.password_file = "/pw"\n`,
];
const NAMED = "/named/by/it";

/** All that is permitted when the setting names this, whatever goes with it. */
function givenBy({ name, type }: NamedSetting): string[] {
  const value = type === "path" ? `"${NAMED}"` : `["${NAMED}"]`;
  const own = name.startsWith("identity.");
  return WAYS.flatMap((way) => {
    const others = way.split("\n").filter((line) => !line.startsWith(`${name} =`)).join("\n");
    const sockets = name === "serve.socket_folder" ? "" : `serve.socket_folder = "/run/c"`;
    const top = `${others}\nchallenge.answer = true\n${sockets}\n${own ? "" : `${name} = ${value}`}\n`;
    const text = `${top}${IDENTITY}${own ? `${name.slice("identity.".length)} = ${value}\n` : ""}`;
    try {
      return permissions(parseConfig(text, PLACE), PLACE).map(({ thing }) => thing);
    } catch (error) {
      if (error instanceof Fail) return []; // it does not go with this way
      throw error;
    }
  });
}

const naming = SETTINGS.filter((one) => one.type === "path" || one.type === "program");
Deno.test("each setting that names a path or a program has its permission", { permissions: "none" }, () => {
  for (const known of ["state.folder", "identity.keys", "transport.real"]) {
    assert.ok(naming.some(({ name }) => name === known), known);
  }
  for (const setting of naming) {
    const things = givenBy(setting);
    assert.ok(things.some((thing) => `${NAMED}/`.startsWith(`${thing}/`)), setting.name);
  }
});

Deno.test("keys and lists in other folders can be read there, but nothing else in those folders", () => {
  const text = `[[identity]]\naddress = "greg@example.org"\nkeys = "/etc/keys/greg"\n`;
  const settings = parseConfig(`plain_lists = "/srv/lists/mine"\n${text}${COMMAND}`, PLACE);
  const read = permissions(settings, PLACE).filter(({ right }) => right === "read").map(({ thing }) => thing);
  assert.ok(read.includes("/etc/keys/greg") && read.includes("/srv/lists/mine") && !read.includes("/etc/keys"));
});

Deno.test("settings of a site use each user's home; a user's own settings use theirs wherever HOME points", () => {
  const site = { file: "/etc/countersign/config.toml", home: "/home/greg" };
  assert.ok(lines(COMMAND, "", site).includes("incoming --allow-write=~/Maildir/.Spam"));
  assert.ok(!lines(COMMAND).some((line) => line.includes("~")));
});

Deno.test("the target of a link is permitted by both names", { permissions: "none" }, () => {
  const real = (path: string) => path.endsWith("/keys") ? "/safe/keys" : path.replace(/^\/home\//, "/data/home/");
  const given = (place: typeof PLACE) => {
    const settings = parseConfig(`${IDENTITY}${COMMAND}command = ["/home/run"]\n`, place);
    return printSandbox(permissions(settings, place, real), []).split("\n").filter((line) => line.startsWith("shim"));
  };
  assert.deepEqual(given(PLACE), [
    ...["config.toml", "plain-lists"].flatMap((name) => [
      `shim --allow-read=${FOLDER}/${name}`,
      `shim --allow-read=/data${FOLDER}/${name}`,
    ]),
    `shim --allow-read=${FOLDER}/keys`,
    "shim --allow-read=/safe/keys",
    `shim --allow-read=${STATE}`,
    `shim --allow-read=/data${STATE}`,
    `shim --allow-write=${STATE}`,
    `shim --allow-write=/data${STATE}`,
    "shim --allow-run=/usr/bin/printenv",
    "shim --allow-run=/home/run",
    "shim --allow-run=/bin/kill",
  ]);
  // The home of each user is the launcher's to look up; the rest of a site is not.
  const site = given({ file: "/home/site/config.toml", home: "/home/greg" });
  assert.ok(
    site.includes("shim --allow-read=/home/site/config.toml") &&
      site.includes("shim --allow-read=/data/home/site/config.toml"),
  );
  assert.ok(
    site.includes("shim --allow-write=~/.local/state/countersign") &&
      !site.some((line) => line.includes("/data/home/greg")),
  );
});

Deno.test("a path with a comma, which Deno would split, is rejected", { permissions: "none" }, () => {
  for (const path of ["~/a,b", "/x,/"]) {
    assert.throws(() => lines(`${COMMAND}[incoming]\nspam = "${path}"\n`), {
      kind: "config",
      message: /contains a comma/,
    });
  }
});

Deno.test("the sandbox file is next to the settings", { permissions: "none" }, () => {
  assert.equal(sandboxFile("/x/config.toml"), "/x/config.sandbox");
  assert.equal(sandboxFile("/x/greg.toml.toml"), "/x/greg.toml.sandbox");
  assert.equal(sandboxFile("/x/conf"), "/x/conf.sandbox");
});
