/** The sandbox file: each program may access what its settings name, and nothing else. */
import assert from "node:assert/strict";
import { sandboxFile } from "../../../lib/paths.ts";
import { doorAddresses, ordinaryAddresses, permissions, printSandbox } from "../../../lib/settings/sandbox.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";
import { Fail } from "../../../lib/fail.ts";
import { type NamedSetting, SETTINGS } from "../../../lib/settings/schema.ts";

const SOURCE = { file: "/home/greg/.config/countersign/config.toml", home: "/home/greg" };
const IDENTITY = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n`;

/** The sandbox file for these settings, without its comment. */
function lines(more: string, top = "", source = SOURCE): string[] {
  const text = printSandbox(permissions(parseConfig(`${top}\n${IDENTITY}\n${more}`, source), source), []);
  assert.match(text, /^# .*\n/);
  return text.split("\n").slice(1, -1);
}

const FOLDER = "/home/greg/.config/countersign";
const STATE = "/home/greg/.local/state/countersign";
const ALWAYS_READ = [...["config.toml", "plain-lists", "keys"].map((name) => `${FOLDER}/${name}`), STATE];
const SPAM = "/home/greg/Maildir/.Spam";
const COMMAND = `[transport]\npreset = "sendmail"\n`;

Deno.test("default settings permit three files and the state, the injector for the shim, and for the hook only with --forward", () => {
  assert.deepEqual(lines(COMMAND), [
    ...ALWAYS_READ.map((path) => `shim --allow-read=${path}`),
    `shim --allow-write=${STATE}`,
    "shim --allow-run=/usr/bin/printenv",
    "shim --allow-run=/usr/sbin/sendmail",
    "shim --allow-run=/bin/kill",
    ...[...ALWAYS_READ, SPAM].map((path) => `incoming --allow-read=${path}`),
    `incoming --allow-write=${STATE}`,
    `incoming --allow-write=${SPAM}`,
    "incoming --allow-run=/usr/bin/printenv",
    "forward --allow-run=/usr/sbin/sendmail",
    "forward --allow-run=/bin/kill",
  ]);
});

Deno.test("of a mailbox in mbox format the hook gets the file, and not its folder", () => {
  const given = lines(`${COMMAND}[incoming]\nspam = "mbox:~/mail/spam"\ninbox = "mbox:/var/mail/greg"\n`);
  for (const path of ["/home/greg/mail/spam", "/var/mail/greg"]) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    assert.deepEqual(given.filter((line) => line.includes(`=${folder}`)), [
      `incoming --allow-read=${path}`,
      `incoming --allow-write=${path}`,
    ]);
  }
});

const SMTP = `[transport]\nvia = "smtp"\nhost = "smtp.example.org"\nca = "/etc/ca.pem"\n`;
/** Lines that a transport without a program removes. */
const NO_PROGRAM = ["shim", "forward"].flatMap((
  one,
) => [`${one} --allow-run=/usr/sbin/sendmail`, `${one} --allow-run=/bin/kill`]);

/** What shim and hook need to ask at this socket. */
const ASKING = (path: string) =>
  ["shim", "incoming"].flatMap((one) =>
    ["read=", "write=", "net=unix:"].map((right) => `${one} --allow-${right}${path}`)
  );
/** What `countersign serve` needs for its sockets in /run/c, besides that of the look-ups. */
const SERVING = [
  ...[`${FOLDER}/config.toml`, `${FOLDER}/keys`, `${FOLDER}/plain-lists`, STATE, "/run/c"].map((path) =>
    `serve --allow-read=${path}`
  ),
  `serve --allow-write=${STATE}`,
  "serve --allow-write=/run/c",
  "serve --allow-net=unix:/run/c/door",
  "serve --allow-net=unix:/run/c/sign",
  "serve --allow-net=unix:/run/c/policy",
  "serve --allow-net=unix:/run/c/map",
];

/** [settings, lines they add to those of the default settings, lines they remove] */
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
  [
    `[transport]\nvia = "smtp"\n[[account]]\nname = "a"\ndefault = true\nhost = "a.example"\nuser = "u"\n` +
    `password_command = ["/usr/bin/pass", "show", "a"]\n[[account]]\nname = "b"\nfrom = ["*@b.example"]\n` +
    `host = "b.example"\nsecurity = "starttls"\nca = "ca.pem"\nuser = "u"\npassword_file = "p"\n[[account]]\n` +
    `name = "c"\nfrom = ["*@c.example"]\nhost = "c.example"\nuser = "u"\noauth2_command = ["/usr/bin/pass", "c"]\n`,
    ["shim", "forward"].flatMap((one) => [
      `${one} --allow-net=a.example:465`,
      `${one} --allow-net=b.example:587`,
      `${one} --allow-net=c.example:465`,
      `${one} --allow-read=${FOLDER}/ca.pem`,
      `${one} --allow-read=${FOLDER}/p`,
      `${one} --allow-run=/usr/bin/pass`,
    ]),
    ["shim --allow-run=/usr/sbin/sendmail", "forward --allow-run=/usr/sbin/sendmail"],
  ],
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
    "serve --allow-net=unix:/run/c/lookup",
    "serve --allow-net=unix:/run/c/policy",
    "serve --allow-net=unix:/run/c/map",
  ], []],
  [`${COMMAND}[forwarding]\ndomain = "f.example.org"\n[serve]\nsocket_folder = "/run/c"\n`, [
    ...SERVING,
    "serve --allow-net=unix:/run/c/lookup",
    `serve --allow-read=${FOLDER}/forwarding-keys`,
  ], []],
  [`${COMMAND}[state]\nlookup = "/run/l/lookup"\n`, ASKING("/run/l/lookup"), []],
  [`${COMMAND}[state]\nredis = "unix:/run/redis.sock"\n[serve]\nsocket_folder = "/run/c"\n`, [
    ...ASKING("/run/c/lookup"),
    ...SERVING,
    "serve --allow-read=/run/redis.sock",
    "serve --allow-write=/run/redis.sock",
    "serve --allow-net=unix:/run/redis.sock",
    "serve --allow-net=unix:/run/c/lookup",
  ], []],
  [
    `${COMMAND}[state]\nredis = "rediss://c@r.example/1"\nredis_password_file = "p"\nredis_ca = "/ca"\n` +
    `lookup = "/run/l/lookup"\n[serve]\nsocket_folder = "/run/c"\n`,
    [
      ...ASKING("/run/l/lookup"),
      ...SERVING,
      "serve --allow-read=/run/l/lookup",
      "serve --allow-write=/run/l/lookup",
      "serve --allow-read=/ca",
      `serve --allow-read=${FOLDER}/p`,
      "serve --allow-net=r.example:6379",
      "serve --allow-net=unix:/run/l/lookup",
    ],
    [],
  ],
];
for (const [settings, added, removed] of cases) {
  Deno.test(`${JSON.stringify(settings)} permits ${added.join(", ")}`, { permissions: "none" }, () => {
    const [defaults, actual] = [lines(COMMAND), lines(settings)];
    assert.deepEqual(actual.filter((line) => !defaults.includes(line)).sort(), added.sort());
    assert.deepEqual(defaults.filter((line) => !actual.includes(line)).sort(), removed.sort());
    assert.equal(new Set(actual).size, actual.length, "a line is repeated");
  });
}

/** [identities, other settings, the ordinary addresses] */
const ordinary: [string, string, string[]][] = [
  [IDENTITY, "", ["greg@example.org"]],
  [IDENTITY, "[challenge]\nanswer = true\n", []],
  [IDENTITY, '[tag]\npymsgauth = "~/.pymsgauth"\n', []],
  [IDENTITY.replace("greg@example.org", "Greg.W+x@EXAMPLE.org"), "", ["greg.w+x@example.org"]],
  [`${IDENTITY}[[identity]]\naddress = "ann@example.net"\nkeys = "~/k"\n`, "", ["greg@example.org", "ann@example.net"]],
  // Addresses that MTAs write in several ways, and addresses that look signed.
  [IDENTITY.replace("greg@", "o'greg@"), "", []],
  [IDENTITY.replace("greg@", "SRS0=a=b=c=greg@"), "", []],
  [IDENTITY.replace("greg@", "prvs=0123abcdef=greg@"), "", []],
  [`${IDENTITY}also = ["greg+*@example.org"]\n`, "", ["greg@example.org"]],
];
for (const [identities, more, addresses] of ordinary) {
  Deno.test(`${JSON.stringify(identities + more)}: the ordinary addresses are ${addresses.join(", ") || "none"}`, {
    permissions: "none",
  }, () => {
    const settings = parseConfig(`${identities}${COMMAND}${more}`, SOURCE);
    assert.deepEqual(ordinaryAddresses(settings), addresses);
    const text = printSandbox([], addresses).split("\n").slice(1, -1);
    assert.deepEqual(text, addresses.map((one) => `ordinary ${one}`));
  });
}

Deno.test("the addresses about which the door is asked: SRS domains, and the file of moved addresses", {
  permissions: "none",
}, () => {
  const door = (identities: string, more = "") => {
    const addresses = doorAddresses(parseConfig(`${identities}${COMMAND}${more}`, SOURCE));
    assert.deepEqual(printSandbox([], [], addresses).split("\n").slice(1, -1), addresses.map((one) => `door ${one}`));
    return addresses;
  };
  const plain = `[[identity]]\naddress = "ann@example.org"\nkeys = "ann"\n`;
  assert.deepEqual(door(IDENTITY), ["@srs.example.org"]);
  assert.deepEqual(door(`${IDENTITY}${plain}srs_domain = "SRS.example.org"\n`), ["@srs.example.org"]);
  const moved = '[serve]\nsocket_folder = "/run/countersign"\nmoved = "/etc/countersign/moved"\n';
  assert.deepEqual(door(IDENTITY, moved), ["@srs.example.org", "/etc/countersign/moved"]);
  // An empty list is different from none, which an earlier version wrote.
  assert.deepEqual(door(plain), ["-"]);
});

/** Some settings are valid with one of these transports only. */
const TRANSPORTS = [
  `transport.preset = "sendmail"\n`,
  `transport.via = "maildir"\ntransport.maildir = "/box"\n`,
  `transport.preset = "exim"\nstate.redis = "rediss://r.example"\n`,
  `transport.via = "smtp"\ntransport.host = "mx.example"\ntransport.user = "greg"\ntransport.password_file = "/pw"\n`,
  `transport.via = "smtp"\ntransport.host = "mx.example"\ntransport.user = "greg"\n`,
  `transport.via = "smtp"\n`,
];
const NAMED = "/named/by/setting";

/** Everything permitted when this setting names NAMED, with any transport. */
function permittedBy({ name, type }: NamedSetting): string[] {
  const path = name === "submit.user_settings" ? `${NAMED}/{login}` : NAMED;
  const value = type === "path" ? `"${path}"` : `["${path}"]`;
  const ofIdentity = name.startsWith("identity.");
  const ofAccount = name.startsWith("account.");
  const ofDoorbell = name.startsWith("doorbell.");
  const login = name === "account.ca" ? "" : 'user = "greg"\n';
  const account = !ofAccount
    ? ""
    : `[[account]]\nname = "a"\nhost = "mx.example"\n${login}${name.slice("account.".length)} = ${value}\n`;
  const doorbell = ofDoorbell
    ? `[[doorbell]]\nname = "a"\naddress = "a@example.org"\n${name.slice("doorbell.".length)} = ${value}\n`
    : "";
  return TRANSPORTS.flatMap((transport) => {
    const others = transport.split("\n").filter((line) => !line.startsWith(`${name} =`)).join("\n");
    const sockets = name === "serve.socket_folder" ? "" : `serve.socket_folder = "/run/c"`;
    const top = `${others}\nchallenge.answer = true\nforwarding.domain = "f.example.org"\n${sockets}\n${
      ofIdentity || ofAccount || ofDoorbell ? "" : `${name} = ${value}`
    }\n`;
    const text = `${top}${account}${doorbell}${IDENTITY}${
      ofIdentity ? `${name.slice("identity.".length)} = ${value}\n` : ""
    }`;
    try {
      return permissions(parseConfig(text, SOURCE), SOURCE).map(({ thing }) => thing);
    } catch (error) {
      if (error instanceof Fail) return []; // The setting cannot be used with this transport.
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
    const things = permittedBy(setting);
    assert.ok(things.some((thing) => `${NAMED}/`.startsWith(`${thing}/`)), setting.name);
  }
});

Deno.test("keys and lists may be in other folders, whose other files stay inaccessible", () => {
  const text = `[[identity]]\naddress = "greg@example.org"\nkeys = "/etc/keys/greg"\n`;
  const settings = parseConfig(`plain_lists = "/srv/lists/mine"\n${text}${COMMAND}`, SOURCE);
  const read = permissions(settings, SOURCE).filter(({ right }) => right === "read").map(({ thing }) => thing);
  assert.ok(read.includes("/etc/keys/greg") && read.includes("/srv/lists/mine") && !read.includes("/etc/keys"));
});

Deno.test("settings of a site refer to each user's home directory; a user's own settings to theirs, whatever HOME is", () => {
  const site = { file: "/etc/countersign/config.toml", home: "/home/greg" };
  assert.ok(lines(COMMAND, "", site).includes("incoming --allow-write=~/Maildir/.Spam"));
  assert.ok(!lines(COMMAND).some((line) => line.includes("~")));
});

Deno.test("a symbolic link is permitted by its own path and by its target", { permissions: "none" }, () => {
  const real = (path: string) => path.endsWith("/keys") ? "/safe/keys" : path.replace(/^\/home\//, "/data/home/");
  const shimLines = (source: typeof SOURCE) => {
    const settings = parseConfig(`${IDENTITY}${COMMAND}command = ["/home/run"]\n`, source);
    return printSandbox(permissions(settings, source, real), []).split("\n").filter((line) => line.startsWith("shim"));
  };
  assert.deepEqual(shimLines(SOURCE), [
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
  // The launcher resolves each user's home directory; the other paths of a site are resolved here.
  const site = shimLines({ file: "/home/site/config.toml", home: "/home/greg" });
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

Deno.test("submitd may use what the shim may, its certificate, its sockets, and the backend that checks passwords", () => {
  const linesFor = (submit: string) => {
    const text = `${IDENTITY}[transport]\nvia = "smtp"\nhost = "mx.example"\n[state]\nfolder = "/state"\n` +
      `[submit]\ncertificate = "/tls/cert"\nkey = "/tls/key"\n${submit}\n`;
    return permissions(parseConfig(text, SOURCE), SOURCE)
      .filter(({ program }) => program === "submitd")
      .map(({ right, thing }) => `${right} ${thing}`);
  };
  const common = ["read /tls/cert", "read /tls/key", "net mx.example:465", "net [::]:587", "net [::]:465"];
  const file = linesFor('auth = "file:/etc/users"');
  for (const one of [...common, "read /etc/users", "write /state"]) assert.ok(file.includes(one), one);
  assert.ok(!file.some((line) => /^write \/(?:etc|tls)|^run \/bin\/sh/.test(line)), file.join("\n"));
  const dovecot = linesFor('auth = "dovecot:/run/auth"\nlisten = ["192.0.2.1:587"]');
  for (const one of ["read /run/auth", "write /run/auth", "net unix:/run/auth", "net 192.0.2.1:587"]) {
    assert.ok(dovecot.includes(one), one);
  }
  assert.ok(linesFor('auth = "checkpassword:/bin/check"').includes("run /bin/sh"));
  const users = linesFor('auth = "file:/u"\nuser_settings = "/var/lib/c/{login}/config.toml"');
  assert.ok(users.includes("read /var/lib/c") && users.includes("write /var/lib/c"), users.join("\n"));
});

Deno.test("the doorbell may read its keys and terms and no key of an identity, and run only what sends mail", () => {
  const service = '[[doorbell]]\nname = "svc"\naddress = "svc@example.org"\nkeys = "/keys/svc"\nterms = "/terms"\n';
  const linesFor = (more: string) => {
    const text = `${IDENTITY}[transport]\npreset = "sendmail"\n[state]\nfolder = "/state"\n${more}`;
    return permissions(parseConfig(text, SOURCE), SOURCE)
      .filter(({ program }) => program === "doorbell")
      .map(({ right, thing }) => `${right} ${thing}`);
  };
  const lines = linesFor(service);
  for (const one of ["read /keys/svc", "read /terms", "read /state", "write /state", "run /usr/sbin/sendmail"]) {
    assert.ok(lines.includes(one), `${one} in ${lines.join("\n")}`);
  }
  assert.ok(!lines.some((line) => /countersign\/keys|^write \/(?:keys|terms)|^net/.test(line)), lines.join("\n"));
  const elsewhere = linesFor(`${service}folder = "/srv/svc"\n`);
  assert.ok(elsewhere.includes("read /srv/svc") && elsewhere.includes("write /srv/svc"), elsewhere.join("\n"));
  assert.deepEqual(linesFor(""), [], "without a service there is nothing to permit");
});

Deno.test("the sandbox of a site is the same for root and for the user whose home is the state folder", () => {
  const text = `${IDENTITY}\n[state]\nfolder = "/var/lib/countersign"\n[serve]\nsocket_folder = "/run/countersign"\n` +
    `${COMMAND}[incoming]\nspam = "/var/lib/countersign/Spam"\n`;
  const [root, service] = ["/root", "/var/lib/countersign"].map((home) => {
    const source = { file: "/etc/countersign/config.toml", home };
    return printSandbox(permissions(parseConfig(text, source), source), []);
  });
  assert.match(root!, /^serve --allow-read=~\/\.config\/countersign\/config\.toml$/m);
  assert.equal(service, root);
});
