import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../../lib/address.ts";
import { SETTINGS } from "../../../lib/settings/schema.ts";
import type { Dsn, Envelope } from "../../../lib/envelope.ts";
import { argumentsFor, inspectorFor, statusFor } from "../../../lib/settings/presets.ts";

const DSN: Dsn = { notify: "success,failure", ret: "hdrs", envid: "x1" };
const NOTIFY = ["-N", "success,failure"];
const RET = ["-R", "hdrs"];
const ENVID = ["-V", "x1"];

interface Row {
  front: string[];
  /** The argument of -f for the null sender; undefined if it cannot be sent. */
  nullSender?: string;
  dsn: string[];
  /** Whether quoted local parts, recipients that begin with a dash, and messages with NUL can be sent. */
  quoted: boolean;
  dash: boolean;
  nul: boolean;
}
const SENDMAIL: Row = {
  front: ["/usr/sbin/sendmail", "-i"],
  nullSender: "<>",
  dsn: [...NOTIFY, ...RET, ...ENVID],
  quoted: true,
  dash: true,
  nul: true,
};

/** One row per program, as measured. */
const TABLE: Record<string, Row> = {
  "qmail-inject": {
    front: ["/var/qmail/bin/qmail-inject", "-a"],
    nullSender: "",
    dsn: [],
    quoted: true,
    dash: true,
    nul: true,
  },
  sendmail: SENDMAIL,
  postfix: SENDMAIL,
  exim: { front: ["/usr/sbin/exim4", "-i"], nullSender: "<>", dsn: [], quoted: true, dash: true, nul: true },
  msmtp: {
    front: ["/usr/bin/msmtp", "-i"],
    nullSender: "<>",
    dsn: [...NOTIFY, ...RET],
    quoted: false,
    dash: true,
    nul: true,
  },
  nullmailer: { front: ["/usr/sbin/sendmail", "-i"], nullSender: "<>", dsn: [], quoted: false, dash: false, nul: true },
  dma: { front: ["/usr/sbin/dma", "-i"], dsn: [], quoted: false, dash: true, nul: false },
};

const SENDER = parseAddress("SRS0=ab=cd=example.org=greg@srs.example.org");
const envelope = (to: string[], more: Partial<Envelope> = {}): Envelope => ({
  sender: SENDER,
  recipients: to.map((one) => one.includes("@") ? parseAddress(one) : { local: one, domain: "" }),
  dsn: {},
  ...more,
});
const F = ["-f", formatAddress(SENDER)];
const rejected = (preset: string, given: Envelope) => {
  const message = new RegExp(`^${preset} does not support `);
  assert.throws(() => argumentsFor(preset, [], given), { kind: "refused", message });
};

Deno.test("Every preset of the settings is in this table", () => {
  const type = SETTINGS.find(({ name }) => name === "transport.preset")!.type as string[];
  assert.deepEqual(type.filter((name) => name !== "").sort(), Object.keys(TABLE).sort());
});

for (const [preset, { front, nullSender, dsn, quoted, dash, nul }] of Object.entries(TABLE)) {
  Deno.test(`${preset}: the argument vector`, () => {
    const good = (given: Envelope, ...expected: string[]) =>
      assert.deepEqual(argumentsFor(preset, [], given), expected);
    good(envelope(["a@x"]), ...front, ...F, "--", "a@x");
    good(envelope(["a@x", "b@y", "root"]), ...front, ...F, "--", "a@x", "b@y", "root");
    good(envelope(["a@x"], { sender: undefined }), ...front, "--", "a@x");
    good(envelope(["a@x"], { dsn: DSN }), ...front, ...F, ...dsn, "--", "a@x");

    const bounce = envelope(["a@x"], { sender: null });
    if (nullSender === undefined) rejected(preset, bounce);
    else good(bounce, ...front, "-f", nullSender, "--", "a@x");

    const spaces = envelope(["a@x", '"a b"@x']);
    if (quoted) good(spaces, ...front, ...F, "--", "a@x", '"a b"@x');
    else rejected(preset, spaces);

    const dashes = envelope(["a@x", "-oQ/tmp@x"]);
    if (dash) good(dashes, ...front, ...F, "--", "a@x", "-oQ/tmp@x");
    else rejected(preset, dashes);
  });

  Deno.test(`${preset}: a configured command and its arguments come first`, () => {
    const command = ["/opt/bin/x", "-C", "a file"];
    const expected = [...command, ...front.slice(1), ...F, ...dsn, "--", "a@x"];
    assert.deepEqual(argumentsFor(preset, command, envelope(["a@x"], { dsn: DSN })), expected);
    assert.deepEqual(command, ["/opt/bin/x", "-C", "a file"], "not changed");
  });

  Deno.test(`${preset}: a NUL in the message`, () => {
    const inspect = inspectorFor(preset);
    assert.equal(inspect === undefined, nul);
    if (inspect === undefined) return;
    inspect(new Uint8Array([1, 2]));
    inspect(new Uint8Array(0));
    for (const chunk of [[0], [1, 0], [0, 1]]) {
      assert.throws(() => inspect(new Uint8Array(chunk)), { kind: "data" });
    }
  });

  Deno.test(`${preset}: recipients are always after --, and never an option`, () => {
    if (!dash) return;
    for (const hostile of ["-f@x", "--@x", "-bs@x", "-t@x"]) {
      const argv = argumentsFor(preset, [], envelope([hostile]));
      assert.equal(argv.indexOf(hostile), argv.lastIndexOf("--") + 1);
      assert.equal(argv.indexOf("--"), argv.length - 2);
    }
  });
}

Deno.test("No program is told to read recipients from the header or to end the message at a dot", () => {
  for (const preset of Object.keys(TABLE)) {
    const argv = argumentsFor(preset, [], envelope(["a@x"]));
    assert.ok(!argv.includes("-t") && !argv.includes("-H") && !argv.includes("-h"), preset);
    assert.ok(argv.includes(preset === "qmail-inject" ? "-a" : "-i"), preset);
  }
});

Deno.test("Each DSN option is passed on independently", () => {
  const one = (dsn: Dsn, ...expected: string[]) => {
    assert.deepEqual(argumentsFor("postfix", [], envelope(["a@x"], { dsn })).slice(4, -2), expected);
  };
  one({}, ...[]);
  one({ ret: "full" }, "-R", "full");
  one({ envid: "" }, "-V", "");
  one({ notify: "never" }, "-N", "never");
});

Deno.test("Ambiguous exit statuses become 75", () => {
  const soft: Record<string, number[]> = { msmtp: [68, 69, 76] };
  for (const preset of Object.keys(TABLE)) {
    for (let status = 0; status < 256; status++) {
      const expected = soft[preset]?.includes(status) ? 75 : status;
      assert.equal(statusFor(preset, status), expected, `${preset} ${status}`);
    }
  }
});

Deno.test("An unknown preset is a configuration error", () => {
  for (const name of ["", "qmail", "constructor", "__proto__"]) {
    assert.throws(() => argumentsFor(name, ["/bin/x"], envelope(["a@x"])), { kind: "config" }, name);
    assert.throws(() => statusFor(name, 0), { kind: "config" }, name);
    assert.throws(() => inspectorFor(name), { kind: "config" }, name);
  }
});
