/** What shim and hook may touch: a table of settings, and nothing that they do not name. */
import assert from "node:assert/strict";
import { permissionsFile } from "../../../lib/paths.ts";
import { permissions, printPermissions } from "../../../lib/settings/permissions.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { Fail } from "../../../lib/fail.ts";
import { type NamedSetting, SETTINGS } from "../../../lib/settings/schema.ts";

const PLACE = { file: "/home/greg/.config/countersign/config.toml", home: "/home/greg" };
const IDENTITY = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n`;

/** The lines for these settings, without the comment. */
function lines(more: string, top = "", place = PLACE): string[] {
  const text = printPermissions(permissions(parseConfig(`${top}\n${IDENTITY}\n${more}`, place), place));
  assert.match(text, /^# .*\n/);
  return text.split("\n").slice(1, -1);
}

const FOLDER = "/home/greg/.config/countersign";
const STATE = "/home/greg/.local/state/countersign";
const SETTLED = [...["config.toml", "plain-lists", "keys"].map((name) => `${FOLDER}/${name}`), STATE];
const SPAM = "/home/greg/Maildir/.Spam";
const COMMAND = `[transport]\npreset = "sendmail"\n`;

Deno.test("settings by default: three files and the state, one program out, none in but by --forward", () => {
  assert.deepEqual(lines(COMMAND), [
    ...SETTLED.map((path) => `shim read ${path}`),
    `shim write ${STATE}`,
    "shim run /usr/bin/printenv",
    "shim run /usr/sbin/sendmail",
    "shim run /bin/kill",
    ...[...SETTLED, SPAM].map((path) => `incoming read ${path}`),
    `incoming write ${STATE}`,
    `incoming write ${SPAM}`,
    "incoming run /usr/bin/printenv",
    "forward run /usr/sbin/sendmail",
    "forward run /bin/kill",
  ]);
});

const SMTP = `[transport]\nvia = "smtp"\nhost = "smtp.example.org"\nca = "/etc/ca.pem"\n`;
/** What goes with a way out that runs none. */
const NO_PROGRAM = ["shim", "forward"].flatMap((one) => [`${one} run /usr/sbin/sendmail`, `${one} run /bin/kill`]);

/** [settings, lines that they add to those of the default, lines that they take away] */
const cases: [string, string[], string[]][] = [
  [`${COMMAND}command = ["/opt/my injector", "-x"]\n`, [
    "shim run /opt/my injector",
    "forward run /opt/my injector",
  ], ["shim run /usr/sbin/sendmail", "forward run /usr/sbin/sendmail"]],
  [`${COMMAND}real = ["/usr/lib/sendmail"]\n`, ["shim run /usr/lib/sendmail"], []],
  [`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, [
    "shim read /home/greg/out",
    "shim write /home/greg/out",
    "forward read /home/greg/out",
    "forward write /home/greg/out",
  ], [
    "shim run /usr/sbin/sendmail",
    "shim run /bin/kill",
    "forward run /usr/sbin/sendmail",
    "forward run /bin/kill",
  ]],
  [`${SMTP}`, [
    "shim net smtp.example.org:465",
    "shim read /etc/ca.pem",
    "forward net smtp.example.org:465",
    "forward read /etc/ca.pem",
  ], NO_PROGRAM],
  [`${SMTP}port = 2525\nuser = "greg"\npassword_file = "~/.password"\n[incoming]\nforward = true\n`, [
    "shim net smtp.example.org:2525",
    "shim read /etc/ca.pem",
    "shim read /home/greg/.password",
    "incoming net smtp.example.org:2525",
    "incoming read /etc/ca.pem",
    "incoming read /home/greg/.password",
  ], NO_PROGRAM],
  [`[transport]\nvia = "smtp"\nhost = "::1"\nsecurity = "none"\n`, [
    "shim net [::1]:25",
    "forward net [::1]:25",
  ], NO_PROGRAM],
  [`${COMMAND}[incoming]\nforward = true\n`, [
    "incoming run /usr/sbin/sendmail",
    "incoming run /bin/kill",
  ], ["forward run /usr/sbin/sendmail", "forward run /bin/kill"]],
  [`${COMMAND}[challenge]\nanswer = true\n[tag]\npymsgauth = "~/.pymsgauth"\n`, [
    "incoming run /usr/sbin/sendmail",
    "incoming run /bin/kill",
    "incoming read /home/greg/Maildir/.Answered",
    "incoming write /home/greg/Maildir/.Answered",
    "incoming read /home/greg/.pymsgauth",
    "incoming write /home/greg/.pymsgauth",
  ], ["forward run /usr/sbin/sendmail", "forward run /bin/kill"]],
  [`${COMMAND}[incoming]\nspam_command = ["/usr/bin/safecat", "tmp", "new"]\ninbox = "~/Maildir"\n`, [
    "incoming run /usr/bin/safecat",
    "incoming run /bin/kill",
    "incoming read /home/greg/Maildir",
    "incoming write /home/greg/Maildir",
  ], [`incoming read ${SPAM}`, `incoming write ${SPAM}`]],
  // What a folder holds is given with it.
  [`${COMMAND}[incoming]\ninbox = "~/Maildir"\n`, [
    "incoming read /home/greg/Maildir",
    "incoming write /home/greg/Maildir",
  ], [`incoming read ${SPAM}`, `incoming write ${SPAM}`]],
];
for (const [settings, more, less] of cases) {
  Deno.test(`${JSON.stringify(settings)} permits ${more.join(", ")}`, { permissions: "none" }, () => {
    const [usual, these] = [lines(COMMAND), lines(settings)];
    assert.deepEqual(these.filter((line) => !usual.includes(line)).sort(), more.sort());
    assert.deepEqual(usual.filter((line) => !these.includes(line)).sort(), less.sort());
    assert.equal(new Set(these).size, these.length, "a line twice");
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
    const top = `${others}\nchallenge.answer = true\n${own ? "" : `${name} = ${value}`}\n`;
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

Deno.test("keys and lists elsewhere are read there; nothing else of those folders of keys", () => {
  const text = `[[identity]]\naddress = "greg@example.org"\nkeys = "/etc/keys/greg"\n`;
  const settings = parseConfig(`plain_lists = "/srv/lists/mine"\n${text}${COMMAND}`, PLACE);
  const read = permissions(settings, PLACE).filter(({ right }) => right === "read").map(({ thing }) => thing);
  assert.ok(read.includes("/etc/keys/greg") && read.includes("/srv/lists/mine") && !read.includes("/etc/keys"));
});

Deno.test("settings of a site leave the home to each user; a user's own are his wherever HOME points", () => {
  const site = { file: "/etc/countersign/config.toml", home: "/home/greg" };
  assert.ok(lines(COMMAND, "", site).includes("incoming write ~/Maildir/.Spam"));
  assert.ok(!lines(COMMAND).some((line) => line.includes("~")));
});

Deno.test("what stands behind a link is given by both of its names", { permissions: "none" }, () => {
  const real = (path: string) => path.endsWith("/keys") ? "/safe/keys" : path.replace(/^\/home\//, "/data/home/");
  const given = (place: typeof PLACE) => {
    const settings = parseConfig(`${IDENTITY}${COMMAND}command = ["/home/run"]\n`, place);
    return printPermissions(permissions(settings, place, real)).split("\n").filter((line) => line.startsWith("shim"));
  };
  assert.deepEqual(given(PLACE), [
    ...["config.toml", "plain-lists"].flatMap((name) => [
      `shim read ${FOLDER}/${name}`,
      `shim read /data${FOLDER}/${name}`,
    ]),
    `shim read ${FOLDER}/keys`,
    "shim read /safe/keys",
    `shim read ${STATE}`,
    `shim read /data${STATE}`,
    `shim write ${STATE}`,
    `shim write /data${STATE}`,
    "shim run /usr/bin/printenv",
    "shim run /home/run",
    "shim run /bin/kill",
  ]);
  // The home of each user is the launcher's to look up; the rest of a site is not.
  const site = given({ file: "/home/site/config.toml", home: "/home/greg" });
  assert.ok(
    site.includes("shim read /home/site/config.toml") && site.includes("shim read /data/home/site/config.toml"),
  );
  assert.ok(
    site.includes("shim write ~/.local/state/countersign") && !site.some((line) => line.includes("/data/home/greg")),
  );
});

Deno.test("Deno takes a comma for the end of a path: that is refused, not widened", { permissions: "none" }, () => {
  for (const path of ["~/a,b", "/x,/"]) {
    assert.throws(() => lines(`${COMMAND}[incoming]\nspam = "${path}"\n`), {
      kind: "config",
      message: /contains a comma/,
    });
  }
});

Deno.test("the file stands beside the settings", { permissions: "none" }, () => {
  assert.equal(permissionsFile("/x/config.toml"), "/x/config.permissions");
  assert.equal(permissionsFile("/x/greg.toml.toml"), "/x/greg.toml.permissions");
  assert.equal(permissionsFile("/x/conf"), "/x/conf.permissions");
});
