import assert from "node:assert/strict";
import { errorText, Fail } from "../../../lib/fail.ts";
import { parseConfig, type Settings } from "../../../lib/settings/parse.ts";
import { type NamedSetting, REPEATED, SETTINGS } from "../../../lib/settings/schema.ts";
import { printSettings } from "../../../admin/config.ts";
import { work } from "../../fuzz/work.ts";

const SOURCE = { file: "/home/greg/.config/countersign/config.toml", home: "/home/greg" };
const FOLDER = "/home/greg/.config/countersign";

type Tables = Record<string, Record<string, string>>;
/** The smallest complete settings; values are TOML. */
const BASE: Tables = {
  identity: { address: '"greg@example.org"' },
  transport: { preset: '"sendmail"' },
};
/** A smallest account. */
const ACCOUNT: Tables = { transport: { via: '"smtp"' }, account: { name: '"work"', host: '"smtp.example.org"' } };
/** A smallest service. */
const DOORBELL: Tables = { doorbell: { name: '"svc"', address: '"svc@example.org"' } };
/** What makes each credential valid. */
const LOGIN: Tables = { ...ACCOUNT, account: { ...ACCOUNT.account, user: '"greg"', password_file: '"p"' } };

const shortName = (setting: NamedSetting) => setting.name.split(".").at(-1)!;

/** The settings file with these tables, and the line of this setting in it. */
function write(tables: Tables, setting: NamedSetting): { text: string; line: number } {
  const lines: string[] = ["# settings"];
  let line = 0;
  for (const [table, values] of Object.entries(tables)) {
    if (table !== "") lines.push("", Object.hasOwn(REPEATED, table) ? `[[${table}]]` : `[${table}]`);
    for (const [name, value] of Object.entries(values)) {
      lines.push(`${name} = ${value}`);
      if (table === setting.table && name === shortName(setting)) line = lines.length;
    }
  }
  return { text: lines.join("\n") + "\n", line };
}

function withValue(setting: NamedSetting, value: string, more: Tables = {}): { text: string; line: number } {
  const tables: Tables = { "": {} };
  for (const part of [BASE, more, { [setting.table]: { [shortName(setting)]: value } }]) {
    for (const [table, values] of Object.entries(part)) tables[table] = { ...tables[table], ...values };
  }
  return write(tables, setting);
}

function read(settings: Settings, setting: NamedSetting): unknown {
  const name = setting.table;
  // deno-lint-ignore no-explicit-any
  const all = settings as any;
  const table = name === "" ? all : Object.hasOwn(REPEATED, name) ? all[name][0] : all[name];
  return table[shortName(setting)];
}

const parse = (text: string) => parseConfig(text, SOURCE);

/** The error as `LINE: message: fix`, after checking what all errors have in common. */
function messageOf(text: string): string {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof Fail && error.kind === "config", `${error}`);
    assert.equal(error.file, SOURCE.file);
    assert.ok(error.line !== undefined);
    assert.ok(!error.message.includes(error.file) && !error.message.endsWith("."), error.message);
    const printed = errorText(error);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(printed, /[\x00-\x1f]/, "one line");
    assert.ok(printed.startsWith(`${SOURCE.file}:${error.line}: ${error.message}`), printed);
    return printed.slice(SOURCE.file.length + 1);
  }
  throw new Error(`Accepted, but invalid:\n${text}`);
}

/** For each setting a valid value with its result, and an invalid one of the right type. */
const VALUES: Record<string, { good: string; is: unknown; bad: string; with?: Tables }> = {
  since: { good: "2026-11-20", is: "2026-11-20", bad: '"2026-02-30"' },
  sender: { good: '"plain"', is: "plain", bad: '"SRS"' },
  mixed: { good: '"srs"', is: "srs", bad: '"prvs"' },
  plain_lists: { good: '"~/lists"', is: "/home/greg/lists", bad: '""' },
  unconfigured: { good: '"pass"', is: "pass", bad: '"send"' },
  "tag.sign": { good: "false", is: false, bad: '"yes"' },
  "tag.pymsgauth": { good: '"~/.pymsgauth"', is: "/home/greg/.pymsgauth", bad: '"a\\u0000"' },
  domain: { good: '"example.org"', is: "example.org", bad: '"a@example.org"' },
  "identity.logins": { good: '["greg", "greg@example.org"]', is: ["greg", "greg@example.org"], bad: '[""]' },
  "state.shared": { good: "true", is: true, bad: "1" },
  "state.redis": {
    good: '"rediss://countersign@redis.example.org:6380/2"',
    is: "rediss://countersign@redis.example.org:6380/2",
    bad: '"redis.example.org"',
    with: { serve: { socket_folder: '"/run/countersign"' } },
  },
  "state.redis_password_file": {
    good: '"password"',
    is: `${FOLDER}/password`,
    bad: '"a\\u0000"',
    with: { state: { redis: '"unix:/run/redis.sock"', lookup: '"/run/lookup"' } },
  },
  "state.redis_ca": {
    good: '"/etc/ca.pem"',
    is: "/etc/ca.pem",
    bad: '"a\\u0000"',
    with: { state: { redis: '"rediss://[::1]:6380"', lookup: '"/run/lookup"' } },
  },
  "state.lookup": { good: '"/run/lookup"', is: "/run/lookup", bad: '"a\\u0000"' },
  "serve.socket_folder": { good: '"/run/countersign"', is: "/run/countersign", bad: '"a\\u0000"' },
  "serve.contact": { good: '"https://example.org/mail"', is: "https://example.org/mail", bad: '"ü"' },
  "serve.moved": { good: '"moved"', is: `${FOLDER}/moved`, bad: '"a\\u0000"' },
  "submit.auth": { good: '"file:/etc/users"', is: "file:/etc/users", bad: '"pam"' },
  "submit.listen": { good: '["192.0.2.1:2587"]', is: ["192.0.2.1:2587"], bad: '["localhost:587"]' },
  "submit.listen_tls": { good: '["[2001:db8::1]:465"]', is: ["[2001:db8::1]:465"], bad: '["[::]:65536"]' },
  "submit.certificate": { good: '"cert.pem"', is: `${FOLDER}/cert.pem`, bad: '"a\\u0000"' },
  "submit.key": { good: '"key.pem"', is: `${FOLDER}/key.pem`, bad: '"a\\u0000"' },
  "submit.name": { good: '"mx.example.org"', is: "mx.example.org", bad: '"a b"' },
  "submit.user_settings": { good: '"/v/{login}/c.toml"', is: "/v/{login}/c.toml", bad: '"/v/c.toml"' },
  "submit.max_message": { good: "1000", is: 1000, bad: "999" },
  "submit.max_connections": { good: "1", is: 1, bad: "0" },
  "submit.max_per_address": { good: "1", is: 1, bad: "0" },
  "submit.check_sender": { good: '"login"', is: "login", bad: '"all"' },
  "serve.sign_local": { good: "true", is: true, bad: '"yes"' },
  "state.folder": { good: '"/var/lib/c"', is: "/var/lib/c", bad: '""' },
  log_addresses: { good: "true", is: true, bad: "1" },
  "identity.address": { good: '"Greg@example.org"', is: "Greg@example.org", bad: '"greg"' },
  "identity.also": {
    good: '["greg+*@example.org", "*@greg.example.org"]',
    is: ["greg+*@example.org", "*@greg.example.org"],
    bad: '["greg+*"]',
  },
  "identity.srs_domain": { good: '"srs.example.org"', is: "srs.example.org", bad: '"srs example"' },
  "identity.refuse_unsigned": { good: "true", is: true, bad: '"yes"' },
  "identity.group": { good: "true", is: true, bad: '"yes"' },
  "identity.keys": { good: '"greg.keys"', is: `${FOLDER}/greg.keys`, bad: '""' },
  "rule.to": {
    good: '["*@lists.example.org", "*"]',
    is: ["*@lists.example.org", "*"],
    bad: '["Joe <joe@example.org>"]',
    with: { rule: { sender: '"plain"' } },
  },
  "rule.sender": { good: '"prvs"', is: "prvs", bad: '"none"', with: { rule: { to: '["*@example.com"]' } } },
  "rule.confirm": { good: "true", is: true, bad: '"no"', with: { rule: { to: '["*@example.com"]' } } },
  "account.name": { good: '"work"', is: "work", bad: '"a b"', with: ACCOUNT },
  "account.from": { good: '["*@example.org"]', is: ["*@example.org"], bad: '["a b"]', with: ACCOUNT },
  "account.default": { good: "true", is: true, bad: "1", with: ACCOUNT },
  "account.host": { good: '"smtp.example.org"', is: "smtp.example.org", bad: '""', with: ACCOUNT },
  "account.port": { good: "2525", is: 2525, bad: "65536", with: ACCOUNT },
  "account.security": { good: '"starttls"', is: "starttls", bad: '"ssl"', with: ACCOUNT },
  "account.ca": { good: '"ca.pem"', is: `${FOLDER}/ca.pem`, bad: '"a\\u0000"', with: ACCOUNT },
  "account.user": { good: '"greg"', is: "greg", bad: '"a\\nb"', with: LOGIN },
  "account.password_file": { good: '"~/.password"', is: "/home/greg/.password", bad: '"a\\u0000"', with: LOGIN },
  "account.password_command": {
    good: '["/usr/bin/pass", "mail"]',
    is: ["/usr/bin/pass", "mail"],
    bad: '["pass"]',
    with: { ...ACCOUNT, account: { ...ACCOUNT.account, user: '"greg"' } },
  },
  "account.oauth2_command": {
    good: '["/usr/bin/mutt_oauth2.py"]',
    is: ["/usr/bin/mutt_oauth2.py"],
    bad: '["./mutt_oauth2.py"]',
    with: { ...ACCOUNT, account: { ...ACCOUNT.account, user: '"greg"' } },
  },
  "account.sender": { good: '"prvs"', is: "prvs", bad: '"none"', with: ACCOUNT },
  "doorbell.name": { good: '"svc-2"', is: "svc-2", bad: '"Svc/2"', with: DOORBELL },
  "doorbell.address": {
    good: '"subscribe-list+me_12@example.org"',
    is: "subscribe-list+me_12@example.org",
    bad: '"subscribe-list+me_123@example.org"',
    with: DOORBELL,
  },
  "doorbell.keys": { good: '"svc.keys"', is: `${FOLDER}/svc.keys`, bad: '""', with: DOORBELL },
  "doorbell.delimiter": { good: '"+"', is: "+", bad: '"="', with: DOORBELL },
  "doorbell.folder": { good: '"/srv/svc"', is: "/srv/svc", bad: '"a\\u0000"', with: DOORBELL },
  "doorbell.terms": { good: '"~/terms"', is: "/home/greg/terms", bad: '"a\\u0000"', with: DOORBELL },
  "doorbell.language": { good: '"pt-BR"', is: "pt-BR", bad: '"../en"', with: DOORBELL },
  "doorbell.confirm": { good: '"subject"', is: "subject", bad: '"from"', with: DOORBELL },
  "doorbell.subject_tag": { good: '"PAS-cookie"', is: "PAS-cookie", bad: '"a b"', with: DOORBELL },
  "doorbell.lifetime": { good: "60", is: 60, bad: "61", with: DOORBELL },
  "doorbell.remember": { good: "3650", is: 3650, bad: "-1", with: DOORBELL },
  "doorbell.remember_ok": { good: "true", is: true, bad: '"yes"', with: DOORBELL },
  "doorbell.i_know": { good: "true", is: true, bad: "1", with: DOORBELL },
  "doorbell.trust_results": { good: '"mx.example.org"', is: "mx.example.org", bad: '"mx example"', with: DOORBELL },
  "doorbell.hourly": { good: "1", is: 1, bad: "0", with: DOORBELL },
  "doorbell.max_held": { good: "10000", is: 10_000, bad: "10001", with: DOORBELL },
  "doorbell.max_bytes": { good: "10000", is: 10_000, bad: "9999", with: DOORBELL },
  "doorbell.timeout": { good: "1", is: 1, bad: "0", with: DOORBELL },
  "challenge.answer": { good: "true", is: true, bad: '"yes"' },
  "challenge.lists": { good: '["*@lists.example.org"]', is: ["*@lists.example.org"], bad: '["a b"]' },
  "challenge.requests": { good: "true", is: true, bad: "1" },
  "challenge.answered": { good: '"kept"', is: `${FOLDER}/kept`, bad: '"a\\u0000"' },
  "srs.hash_length": { good: "4", is: 4, bad: "3" },
  "srs.alphabet": { good: '"base64"', is: "base64", bad: '"base32"' },
  "srs.separator": { good: '"+"', is: "+", bad: '"_"' },
  "srs.max_age": { good: "179", is: 179, bad: "180" },
  "srs.postmaster": { good: '"greg@example.org"', is: "greg@example.org", bad: '"greg"' },
  "srs.others": { good: '"pass"', is: "pass", bad: '"deliver"' },
  "srs.skew": { good: "0", is: 0, bad: "-1" },
  "forwarding.domain": { good: '"forward.example.org"', is: "forward.example.org", bad: '"forward example"' },
  "forwarding.keys": { good: '"keys/forwarding"', is: `${FOLDER}/keys/forwarding`, bad: '""' },
  "forwarding.exclude": {
    good: '["example.org", "*.example.org"]',
    is: ["example.org", "*.example.org"],
    bad: '["greg@example.org"]',
  },
  "forwarding.hash_length": { good: "20", is: 20, bad: "3" },
  "prvs.receive": { good: "true", is: true, bad: '"true"' },
  "prvs.delimiter": { good: '"-"', is: "-", bad: '"="' },
  "prvs.lifetime": { good: "99", is: 99, bad: "0" },
  "transport.via": { good: '"maildir"', is: "maildir", bad: '"lmtp"', with: { transport: { maildir: '"/m"' } } },
  "transport.preset": { good: '"exim"', is: "exim", bad: '"qmail"' },
  "transport.command": { good: '["/usr/bin/msmtp", "-a"]', is: ["/usr/bin/msmtp", "-a"], bad: '["msmtp"]' },
  "transport.maildir": { good: '"~/out"', is: "/home/greg/out", bad: '"a\\nb"' },
  "transport.spool": { good: "true", is: true, bad: '"true"' },
  "transport.timeout": { good: "0", is: 0, bad: "1.5" },
  "transport.host": { good: '"smtp.example.org"', is: "smtp.example.org", bad: '"smtp.example.org, other"' },
  "transport.port": { good: "2525", is: 2525, bad: "65536" },
  "transport.security": { good: '"starttls"', is: "starttls", bad: '"ssl"' },
  "transport.ca": { good: '"ca.pem"', is: `${FOLDER}/ca.pem`, bad: '"a\\u0000"' },
  "transport.user": { good: '"greg"', is: "greg", bad: '"a\\nb"' },
  "transport.password_file": { good: '"~/.password"', is: "/home/greg/.password", bad: '"a\\u0000"' },
  "transport.password_command": { good: '["/usr/bin/pass", "mail"]', is: ["/usr/bin/pass", "mail"], bad: '["pass"]' },
  "transport.oauth2_command": { good: '["/usr/bin/mutt_oauth2.py"]', is: ["/usr/bin/mutt_oauth2.py"], bad: '["./a"]' },
  "transport.helo": { good: '"[192.0.2.1]"', is: "[192.0.2.1]", bad: '"a b"' },
  "transport.real": { good: '["/usr/sbin/sendmail"]', is: ["/usr/sbin/sendmail"], bad: '["/bin/x", "a\\u0000b"]' },
  "outbox.when": { good: '"failed"', is: "failed", bad: '"later"' },
  "outbox.report": { good: '"~/Maildir"', is: "/home/greg/Maildir", bad: '"a\\u0000"' },
  "incoming.forged": { good: '"mark"', is: "mark", bad: '"drop"' },
  "incoming.unsolicited": { good: '"spam"', is: "spam", bad: '"refuse"' },
  "incoming.spam": { good: '"Spam"', is: `${FOLDER}/Spam`, bad: '""' },
  "incoming.spam_command": { good: '["/usr/bin/safecat"]', is: ["/usr/bin/safecat"], bad: '["./safecat"]' },
  "incoming.inbox": { good: '"~/Maildir"', is: "/home/greg/Maildir", bad: '"a\\u0000"' },
  "incoming.forward": { good: "true", is: true, bad: "0" },
  "incoming.forward_sender": { good: '"MAILER-DAEMON@example.org"', is: "MAILER-DAEMON@example.org", bad: '"<>"' },
  "incoming.grace": { good: "0", is: 0, bad: "366" },
};

Deno.test("The table in this test has every setting", () => {
  assert.deepEqual(Object.keys(VALUES).sort(), SETTINGS.map((setting) => setting.name).sort());
});

Deno.test("Every setting has its default", () => {
  const commanded = parse(write({ ...BASE, rule: { to: '["*"]' } }, SETTINGS[0]!).text);
  const filed = parse(write({ ...BASE, transport: { via: '"maildir"', maildir: '"/m"' } }, SETTINGS[0]!).text);
  const repeated: Record<string, Settings> = {
    account: parse(write({ ...BASE, ...ACCOUNT }, SETTINGS[0]!).text),
    doorbell: parse(write({ ...BASE, ...DOORBELL }, SETTINGS[0]!).text),
  };
  for (const setting of SETTINGS) {
    if (setting.fallback === undefined) continue;
    const settings = setting.name === "transport.preset" ? filed : repeated[setting.table] ?? commanded;
    let expected = setting.fallback;
    if (setting.type === "path" && expected !== "") {
      expected = `${expected}`.startsWith("~") ? `${expected}`.replace("~", SOURCE.home) : `${FOLDER}/${expected}`;
    }
    assert.deepEqual(read(settings, setting), expected, setting.name);
  }
});

Deno.test("Every default is a valid value", () => {
  for (const { name, fallback, read } of SETTINGS) {
    if (fallback !== undefined) assert.deepEqual(read(fallback, (path) => path), fallback, name);
  }
});

Deno.test("A setting without a default is required", () => {
  const required = SETTINGS.filter((setting) => setting.fallback === undefined);
  assert.ok(required.length > 0);
  for (const setting of required) {
    const others = required.filter((one) => one !== setting && one.table === setting.table);
    const table = Object.fromEntries(others.map((one) => [shortName(one), VALUES[one.name]!.good]));
    const { text } = write({ ...BASE, [setting.table]: table }, setting);
    const head = text.split("\n").indexOf(`[[${setting.table}]]`) + 1;
    assert.equal(messageOf(text), `${head}: Setting ${setting.name} is missing`);
  }
});

for (const setting of SETTINGS) {
  const { good, is, bad, with: more = {} } = VALUES[setting.name] ?? { good: "", is: "", bad: "" };

  Deno.test(`${setting.name}: a valid value is accepted, an invalid one is reported with file and line`, () => {
    const settings = parse(withValue(setting, good, more).text);
    assert.deepEqual(read(settings, setting), is);
    assert.notDeepEqual(is, setting.fallback, "the sample value must differ from the default");
    // What `countersign config` prints are the same settings.
    for (const all of [false, true]) assert.deepEqual(parse(printSettings(settings, SOURCE, all)), settings);
    const printed = printSettings(settings, SOURCE, false).split("\n").filter((one) => one.includes(" = "));
    assert.ok(printed.some((one) => one.startsWith(`${shortName(setting)} = `)), printed.join("; "));
    const { text, line } = withValue(setting, bad, more);
    const message = messageOf(text);
    assert.ok(message.startsWith(`${line}: ${setting.name}: `), message);
  });

  Deno.test(`${setting.name}: every value of a wrong type is rejected`, () => {
    const samples = ['"text"', "7", "7.5", "true", "2026-11-20", "2026-11-20T10:00:00Z", "10:00:00", '["a"]', "[1]"];
    samples.push(
      '["2026-11-20"]',
      "[]",
      "{}",
      '{ x = "y" }',
      "nan",
      "inf",
      '[["a"]]',
      "[2026-11-20]",
      '"a\\nb"',
      '"a\\u0000b"',
    );
    const kind = Array.isArray(setting.type) ? "text" : setting.type;
    const fits = (sample: string) => {
      if (kind === "number") return /^(7|7\.5|nan|inf)$/.test(sample);
      if (kind === "flag") return sample === "true";
      if (kind === "date") return sample === "2026-11-20";
      if (kind === "words" || kind === "program" || kind === "list") {
        return /^\[("[^"]*")?\]$/.test(sample) && !(kind === "list" && sample === "[]");
      }
      return sample === '"text"';
    };
    for (const sample of samples) {
      if (fits(sample)) continue;
      const { text, line } = withValue(setting, sample, more);
      const message = messageOf(text);
      assert.ok(message.startsWith(`${line}: ${setting.name}: `), `${sample}: ${message}`);
    }
  });
}

const IDENTITY = '[[identity]]\naddress = "greg@example.org"\n';
const TRANSPORT = '[transport]\npreset = "sendmail"\n';

/** Parses a complete file with `before` at its top and `after` at its end. */
const good = (before: string, after = "") => parse(`${before}\n${IDENTITY}${TRANSPORT}${after}`);
/** Expects this error; line numbers are those of this text. */
const bad = (text: string, message: string | RegExp) => {
  const found = messageOf(text);
  if (typeof message === "string") assert.equal(found, message, text);
  else assert.match(found, message, text);
};

Deno.test("Unknown settings are reported with their line", () => {
  bad(`sendr = "srs"\n${IDENTITY}`, "1: Unknown setting sendr: did you mean sender?");
  bad(`\n# hm\n  "sendr" = "srs"\n${IDENTITY}`, "3: Unknown setting sendr: did you mean sender?");
  bad(`${IDENTITY}\n[nothing]\na = 1\n`, "4: Unknown setting nothing");
  bad(`${IDENTITY}\n[[nothing]]\na = 1\n`, "4: Unknown setting nothing");
  bad(`nothing.at.all = 1\n`, "1: Unknown setting nothing");
  bad(`\n[srs]\nmax_age = 3\nmax_agee = 3\n`, "4: Unknown setting srs.max_agee: did you mean srs.max_age?");
  bad(`\nsrs.max_agee = 3\n`, "2: Unknown setting srs.max_agee: did you mean srs.max_age?");
  bad(`\nsrs = { max_age = 3, max_agee = 3 }\n`, "2: Unknown setting srs.max_agee: did you mean srs.max_age?");
  bad(`\n[srs.more]\na = 1\n`, "2: Unknown setting srs.more");
  bad(`[srs]\n[srs.more]\na = 1\n`, "2: Unknown setting srs.more");
  bad(`${IDENTITY}${IDENTITY}key = "x"\n`, "5: Unknown setting identity.key: did you mean identity.keys?");
  bad(`${IDENTITY}${IDENTITY}\n[identity.more]\na = 1\n`, "6: Unknown setting identity.more");
  // A setting of one table is unknown in another.
  bad(`max_age = 3\n`, "1: Unknown setting max_age");
  bad(`[prvs]\nmax_age = 3\n`, "2: Unknown setting prvs.max_age");
  bad(`[srs]\nsender = "srs"\n`, "2: Unknown setting srs.sender");
  for (const name of ["__proto__", "constructor", "toString"]) {
    bad(`${name} = 1\n`, `1: Unknown setting ${name}`);
    bad(`[srs]\n${name} = 1\n`, `2: Unknown setting srs.${name}`);
    bad(`sender = "${name}"\n`, /^1: sender: /);
  }
});

Deno.test("The old setting state is an error with its line and the new table", () => {
  bad(
    `# mine\nstate = "~/state"\n${IDENTITY}`,
    '2: Setting state is now a table: write [state] and below it folder = "~/state"',
  );
  bad(`state = 'a"b'\n`, `1: Setting state is now a table: write [state] and below it folder = "a\\"b"`);
  bad("state = true\n", "1: Setting state is not a table: write [state]");
  assert.equal(good("", '[state]\nfolder = "~/state"\n').state.folder, "/home/greg/state");
  assert.equal(good("").state.folder, "/home/greg/.local/state/countersign");
});

Deno.test("A table cannot be written as a list of tables, nor the other way round", () => {
  bad(`\nsrs = 3\n`, "2: Setting srs is not a table: write [srs]");
  bad(`\ntransport = "sendmail"\n`, "2: Setting transport is not a table: write [transport]");
  bad(`\n[[srs]]\nmax_age = 3\n`, "2: Setting srs is not a table: write [srs]");
  bad(
    `\n[identity]\naddress = "greg@example.org"\n`,
    "2: Setting identity is not a list of tables: write [[identity]] before each",
  );
  bad(
    `\nidentity = "greg@example.org"\n`,
    "2: Setting identity is not a list of tables: write [[identity]] before each",
  );
  bad(
    `identity = ["greg@example.org"]\n`,
    "1: Setting identity is not a list of tables: write [[identity]] before each",
  );
  bad(`${IDENTITY}[rule]\nto = ["*"]\n`, "3: Setting rule is not a list of tables: write [[rule]] before each");
});

Deno.test("Dotted keys and inline tables of TOML give the same settings", () => {
  const spellings = ["[srs]\nmax_age = 3", "srs.max_age = 3", "srs = { max_age = 3 }", '["srs"]\n"max_age" = 3'];
  for (const spelling of spellings) {
    const text = spelling.startsWith("[") ? good("", spelling) : good(spelling);
    assert.equal(text.srs.max_age, 3, spelling);
  }
  assert.equal(parse(`identity = [{ address = "a@example.org" }]\n${TRANSPORT}`).identity[0]!.address, "a@example.org");
  assert.equal(good('since = "2026-11-20"').since, good("since = 2026-11-20").since);
  assert.equal(good("srs.max_age = 3 # days").srs.max_age, 3);
  assert.equal(good("srs.max_age = 0x10\r").srs.max_age, 16);
});

Deno.test("Repeated tables keep their order, and an error names the line in the table at fault", () => {
  const rules = ["a", "b", "c"].map((name) => `[[rule]]\nto = ["${name}@example.com"]\nsender = "plain"\n`);
  assert.deepEqual(good("", rules.join("")).rule.map((rule) => rule.to), [
    ["a@example.com"],
    ["b@example.com"],
    ["c@example.com"],
  ]);
  for (const [nth] of rules.entries()) {
    const text = IDENTITY + rules.map((rule, at) => at === nth ? rule.replace("plain", "none") : rule).join("");
    const line = text.slice(0, text.indexOf('"none"')).split("\n").length;
    bad(text, new RegExp(`^${line}: rule.sender: "none" is not one of`));
  }
  // A missing setting is reported with the line of its table.
  for (const [nth] of rules.entries()) {
    const text = IDENTITY + rules.map((rule, at) => at === nth ? rule.replace(/^to.*\n/m, "") : rule).join("");
    bad(text, `${IDENTITY.split("\n").length + 3 * nth}: Setting rule.to is missing`);
  }
  assert.deepEqual(good("").rule, []);
});

Deno.test("Paths are resolved from the folder of the settings file or from the home directory", () => {
  const path = (given: string, expected: string) => {
    assert.equal(good(`state.folder = "${given}"`).state.folder, expected, given);
  };
  path("/a/b", "/a/b");
  path("a/b", `${FOLDER}/a/b`);
  path("./a", `${FOLDER}/a`);
  path("a//b/../c", `${FOLDER}/a/c`);
  path("../a", `${FOLDER.slice(0, FOLDER.lastIndexOf("/"))}/a`);
  path("~", SOURCE.home);
  path("~/a", `${SOURCE.home}/a`);
  path("~joe/a", `${FOLDER}/~joe/a`);
  assert.equal(good("").transport.maildir, "", "an empty path stays empty");
});

Deno.test("A TOML syntax error is reported on one line with its line number, without an excerpt", () => {
  for (
    const wrong of [
      "sender",
      "sender =",
      '= "srs"',
      'sender = "srs',
      "sender = srs",
      'sender = "srs" mixed = "plain"',
      'sender = "srs"\nsender = "srs"',
      "[srs\nmax_age = 3",
      "[srs]\nmax_age = 3\n[srs]",
      "srs.max_age = 3\n[srs.max_age]",
      "srs.max_age = 99999999999999999999",
      "since = 2026-13-45",
      'sender = "\\q"',
      "sender = 'a\u0001b'",
      "a = [1, 2",
      "a = { b = 1",
    ]
  ) {
    const text = `# one\n# two\n\n${wrong}\n# end`;
    const message = messageOf(text);
    const [, number, what] = /^(\d+): Invalid TOML document: (.*)$/.exec(message)!;
    assert.doesNotMatch(what!, /\^|\d: |# one/, wrong);
    // The line number has one digit more than that of the line before.
    assert.equal(messageOf(`${"\n".repeat(6)}${text}`).replace(/^\d+: Invalid TOML document: /, ""), what, wrong);
    const line = Number(number);
    assert.ok(line >= 4 && line <= text.split("\n").length, `${line} in ${JSON.stringify(wrong)}`);
  }
});

Deno.test("A snippet that repeats a table: the fix says where its settings belong", () => {
  const repeated = /^5: Invalid TOML document: .*: move its settings to the other \[incoming\]$/;
  bad(`${IDENTITY}[incoming]\ngrace = 0\n[incoming] # pasted\nspam = "/s"\n`, repeated);
  bad("[incoming]\ngrace = 0\n\n\n[incoming]\r\nspam = '/s'\n", repeated);
  bad("[incoming]\n[srs]\n[srs\n", /^3: Invalid TOML document: [^:]*$/);
});

Deno.test("Contradictory or incomplete combinations of settings are reported", () => {
  bad("", "1: No identity is configured: add [[identity]] with one of your addresses");
  bad("identity = []\n", /^1: No identity is configured: /);
  bad(IDENTITY, "1: transport.preset is not set: name the program that sends your mail");
  bad(`${IDENTITY}[transport]\nvia = "command"\n`, /^3: transport\.preset is not set/);
  bad(`${IDENTITY}[transport]\ncommand = ["/usr/bin/msmtp"]\n`, /^3: transport\.preset is not set/);
  bad(`${IDENTITY}[transport]\nvia = "maildir"\n`, "3: transport.maildir is not set");
  bad(
    `${IDENTITY}[transport]\nvia = "maildir"\nmaildir = "/m"\ncommand = ["/bin/x"]\n`,
    '6: transport.command cannot be used with via = "maildir"',
  );
  bad(
    `${IDENTITY}[transport]\nvia = "maildir"\nmaildir = "/m"\n[outbox]\nwhen = "failed"\n`,
    '7: outbox.when cannot be used with transport.via = "maildir"',
  );
  const smtp = (more: string) => `${IDENTITY}[transport]\nvia = "smtp"\n${more}`;
  bad(smtp(""), "3: transport.host is not set: name the server that sends your mail, or add [[account]]");
  bad(smtp('host = "h"\ncommand = ["/bin/x"]\n'), '6: transport.command cannot be used with via = "smtp"');
  for (const host of ["smtp.example.org", "10.0.0.1", "128.0.0.1", "127.0.0.1.example.org", "localhost.example.org"]) {
    const text = smtp(`host = "${host}"\nsecurity = "none"\n`);
    bad(text, '6: transport.security = "none" is allowed for a server on this machine only');
  }
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1"]) {
    assert.equal(parse(smtp(`host = "${host}"\nsecurity = "none"\n`)).transport.host, host);
  }
  // The port is a separate setting; Deno would read host:port as an IPv6 address.
  for (const host of ["smtp.example.org:587", "127.0.0.1:25", "[::1]", "[::1]:25", "::1:x", "cafe:25", "http://h"]) {
    bad(smtp(`host = "${host}"\n`), `5: transport.host: "${host}" is not a host name`);
  }
  for (const host of ["2001:db8::25", "::ffff:192.0.2.1", "mail_1.example.org."]) {
    assert.equal(parse(smtp(`host = "${host}"\n`)).transport.host, host);
  }
  bad(
    smtp('host = "::1"\nsecurity = "none"\nuser = "greg"\npassword_file = "p"\n'),
    '7: transport.user cannot be used with security = "none": passwords are sent over TLS only',
  );
  bad(
    smtp('host = "h"\nuser = "greg"\n'),
    "6: transport.user requires password_file, password_command or oauth2_command",
  );
  bad(smtp('host = "h"\npassword_file = "p"\n'), "6: transport.password_file requires transport.user");
  const second = (address: string, keys: string) =>
    `${TRANSPORT}${IDENTITY}[[identity]]\naddress = "${address}"\n${keys}`;
  bad(second("GREG@example.org", 'keys = "b"'), '6: Address "GREG@example.org" is configured twice');
  bad(
    second("joe@example.org", ""),
    "5: The key file of joe@example.org is also that of greg@example.org: set identity.keys to another file",
  );
  bad(second("joe@example.org", 'keys = "keys"'), /^7: The key file of joe@example\.org is also that of/);
  bad(second("joe@example.org", `keys = "~/.config/countersign/keys"`), /^7: The key file of joe@example\.org/);
  assert.equal(parse(second("joe@example.org", 'keys = "b"')).identity.length, 2);
  const inSrs = second("joe@SRS.example.net", 'keys = "b"\nsrs_domain = "x.example"').replace(
    '"greg@example.org"\n',
    '"greg@example.org"\nsrs_domain = "srs.example.net"\n',
  );
  bad(inSrs, "7: identity.address is in the srs_domain of an identity");
  const postmaster = (address: string) =>
    `${TRANSPORT}${IDENTITY}also = ["Greg+*@Example.net"]\n[srs]\npostmaster = "${address}"\n`;
  for (const address of ["", "greg@example.org", "GREG@Example.Org", "greg+x@example.net"]) {
    assert.equal(parse(postmaster(address)).srs.postmaster, address);
  }
  for (const address of ["joe@example.org", "postmaster@example.org", "greg+x@example.org"]) {
    bad(postmaster(address), "7: srs.postmaster is not an identity: use the address of an [[identity]]");
  }
  assert.equal(parse(`${IDENTITY}[transport]\nvia = "maildir"\nmaildir = "/m"\n`).transport.via, "maildir");
});

Deno.test("services have names, addresses and keys of their own", () => {
  const file = (...services: string[]) =>
    `${IDENTITY}${TRANSPORT}${services.map((one) => `[[doorbell]]\n${one}\n`).join("")}`;
  const service = (name: string, address: string) => `name = "${name}"\naddress = "${address}"`;
  assert.equal(parse(file(service("a", "a@example.org"), service("b", "b@example.org"))).doorbell.length, 2);
  bad(file(service("a", "a@example.org"), service("a", "b@example.org")), '9: Service "a" is configured twice');
  bad(
    file(service("a", "a@example.org"), service("b", "A@Example.org")),
    '10: Address "A@Example.org" has two services',
  );
  bad(
    file(`${service("a", "a@example.org")}\nkeys = "keys"`),
    "8: doorbell.keys is the key file of greg@example.org: set doorbell.keys to another file",
  );
  bad(file('name = "a"\naddress = "\\"a b\\"@example.org"'), /^7: doorbell\.address: The local part/);
  const folder = `\nfolder = "/srv/a"`;
  bad(
    file(`${service("a", "a@example.org")}${folder}`, `${service("b", "b@example.org")}${folder}`),
    '12: Folder "/srv/a" has two services',
  );
});

Deno.test("with Redis, a service has a folder of its own: held messages are files", () => {
  const redis = '[serve]\nsocket_folder = "/run/c"\n[state]\nredis = "unix:/run/r"\n';
  const service = '[[doorbell]]\nname = "a"\naddress = "a@example.org"\n';
  const wrong =
    /: Held messages are files, and cannot be kept in Redis: set doorbell\.folder to a folder that all hosts/;
  bad(`${IDENTITY}${TRANSPORT}${redis}${service}`, wrong);
  assert.equal(parse(`${IDENTITY}${TRANSPORT}${redis}${service}folder = "/srv/a"\n`).doorbell[0]!.folder, "/srv/a");
});

Deno.test("Redis is reached by a socket or on this machine, or over TLS; the password is not in its address", () => {
  const file = (state: string, more = "") => `${IDENTITY}${TRANSPORT}[state]\n${state}\n${more}`;
  const serve = '[serve]\nsocket_folder = "/run/c"\n';
  for (
    const address of [
      "unix:/run/redis/redis.sock",
      "redis://localhost",
      "redis://127.0.0.1:6379",
      "redis://127.1.2.3/2",
      "redis://[::1]:6379/0",
      "rediss://redis.example.org",
      "rediss://user%40host@10.0.0.1:6380/15",
      "rediss://r.example:443",
    ]
  ) {
    assert.equal(parse(file(`redis = "${address}"`, serve)).state.redis, address);
  }
  const form = "is not unix:/path, redis://host:port or rediss://host:port";
  for (
    const address of [
      "unix:redis.sock",
      "unix:",
      "unix://greg@/run/redis.sock",
      "redis:6379",
      "http://localhost",
      "redis://",
      "rediss://a b",
    ]
  ) {
    bad(file(`redis = "${address}"`, serve), `6: state.redis: "${address}" ${form}`);
  }
  for (const address of ["redis://localhost/x", "redis://localhost/1/2", "rediss://h?db=1", "rediss://h#1"]) {
    bad(file(`redis = "${address}"`, serve), `6: state.redis: "${address}" ${form}`);
  }
  for (const host of ["redis.example.org", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org", "[::2]"]) {
    const text = file(`redis = "redis://${host}"`, serve);
    bad(text, "6: state.redis: redis:// is allowed only for a server on this machine: use rediss://");
  }
  bad(
    file('redis = "rediss://:secret@h"', serve),
    "6: state.redis: The address contains a password: use state.redis_password_file",
  );
  assert.throws(() => parse(file('redis = "rediss://:secret@h"', serve)), {
    message: "state.redis: The address contains a password",
    fix: "use state.redis_password_file",
  });
  bad(
    file('redis = "unix:/r"'),
    "6: state.redis requires serve.socket_folder or state.lookup: set serve.socket_folder",
  );
  assert.equal(parse(file('redis = "unix:/r"\nlookup = "/l"')).state.lookup, "/l");
  bad(file('redis_password_file = "p"'), "6: state.redis_password_file requires state.redis");
  for (const address of ["unix:/r", "redis://localhost"]) {
    const text = file(`redis = "${address}"\nredis_ca = "/ca"`, serve);
    bad(text, "7: state.redis_ca requires a state.redis that begins with rediss://");
  }
});

/** [what is repeated, a settings file with that many] */
const REPETITIONS: [string, (count: number) => string][] = [
  [
    "identities",
    (count) =>
      Array.from({ length: count }, (_, nth) => `[[identity]]\naddress = "a${nth}@example.org"\nkeys = "keys${nth}"\n`)
        .join("") + '[transport]\npreset = "exim"\n',
  ],
  ["rules", (count) =>
    '[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "exim"\n' +
    Array.from({ length: count }, (_, nth) => `[[rule]]\nto = ["a${nth}@example.com"]\n`).join("")],
];
for (const [what, text] of REPETITIONS) {
  Deno.test(`parsing twice as many ${what} takes at most 2.5 times the work`, async () => {
    const cost = (count: number) => work(() => parse(text(count)));
    await cost(1); // warm up
    const [half, full] = [await cost(500), await cost(1000)];
    assert.ok(full <= 2.5 * half, `${half}, ${full}`);
  });
}

Deno.test("a mailbox is a maildir, or after mbox: a file", () => {
  const spam = (value: string) =>
    parse(write({ ...BASE, incoming: { spam: `"${value}"` } }, SETTINGS[0]!).text).incoming.spam;
  assert.equal(spam("~/mail/spam"), "/home/greg/mail/spam");
  assert.equal(spam("mbox:~/mail/spam"), "mbox:/home/greg/mail/spam");
  assert.equal(spam("mbox:spam"), `mbox:${FOLDER}/spam`);
  assert.throws(() => spam("mbox:"), { message: "incoming.spam: The path is empty" });
});
