/** doctor and a running submitd: addresses, TLS and its certificate, AUTH, and how logins fail. */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { checkSubmitLive } from "../../admin/doctor/submit_live.ts";
import { loadSettings } from "../../io/system/load.ts";
import { Authority } from "../certificates.ts";
import type { Home } from "../rig.ts";
import { certificate, SubmitdHome } from "../submit/submitd_home.ts";
import { assertComplete } from "./findings.ts";
import { COUNTERSIGN } from "./run.ts";

/** The findings about a running submitd. */
async function found(home: Home, ...lines: string[]): Promise<string[]> {
  const config = home.read(".config/countersign/config.toml").replace(/^(?:listen|listen_tls|auth) = .*\n/gm, "");
  const auth = lines.some((line) => line.startsWith("auth")) ? [] : [`auth = "file:${home.path}/users"`];
  const file = home.write(
    ".config/countersign/live.toml",
    config.replace("[submit]\n", `[submit]\n${[...auth, ...lines].join("\n")}\n`),
  );
  const findings: Finding[] = [];
  const settings = loadSettings({ file, home: home.path });
  await checkSubmitLive(
    { file: { file, text: home.read(".config/countersign/live.toml") }, findings, notes: [] },
    settings,
  );
  for (const one of findings) assertComplete(one);
  return findings.map(({ id, what }) => `${id}: ${what}`);
}

const both = ({ port, tls }: SubmitdHome) => [`listen = ["127.0.0.1:${port}"]`, `listen_tls = ["0.0.0.0:${tls}"]`];

Deno.test("a running submitd has no findings; its failed logins are those of doctor", async () => {
  await using one = await SubmitdHome.start();
  assert.deepEqual(await found(one.home, ...both(one)), []);
  assert.equal(one.reports.length, 2, one.reports.join("\n"));
  assert.match(one.reports[0]!, /^login failed from 127\.0\.0\.1: user="doctor-[0-9a-f]{8}" tries=1$/);
  assert.match(one.reports[1]!, /^login failed from 127\.0\.0\.1: user="root" tries=2$/);
});

Deno.test("doctor checks the running submitd, if it may connect", async () => {
  await using one = await SubmitdHome.start();
  const { home } = one;
  const name = ".config/countersign/config.toml";
  home.write(name, home.read(name).replace("[submit]\n", `[submit]\n${both(one).join("\n")}\n`));
  await one.server.close(1000);
  const run = async (command: readonly string[]) =>
    JSON.parse((await home.run([...command, "doctor", "--json"])).stdout) as { findings: Finding[]; notes: string[] };
  const net = await run(COUNTERSIGN.toSpliced(2, 0, "--allow-net"));
  assert.deepEqual(net.findings.map(({ id }) => id).filter((id) => id.startsWith("submit-address")), [
    "submit-address-silent",
    "submit-address-silent",
  ]);
  const notes = (await run(COUNTERSIGN)).notes.filter((note) => / was not checked: this program has no/.test(note));
  assert.equal(notes.length, 2, notes.join("\n"));
});

Deno.test("addresses on which nothing listens", async () => {
  await using one = await SubmitdHome.start();
  const [listen] = both(one);
  const silent = await found(one.home, listen!, 'listen_tls = ["127.0.0.1:9", "[::1]:9"]');
  assert.deepEqual(silent.map((line) => line.replace(/(?<=:9:).*/, "")), [
    "submit-address-silent: submitd cannot be reached at 127.0.0.1:9:",
    "submit-address-silent: submitd cannot be reached at [::1]:9:",
  ]);
});

Deno.test("another certificate than the one in the file, and TLS on the wrong port", async () => {
  await using one = await SubmitdHome.start();
  const { home } = one;
  using authority = await Authority.make();
  const { cert, key } = await authority.leaf("DNS:localhost");
  home.write("cert.pem", cert);
  home.write("key.pem", key, 0o600);
  const what = "submit-certificate-stale: The certificate that submitd uses at";
  const all = await found(home, ...both(one));
  assert.deepEqual(all.map((line) => line.replace(/ at \S+ is not the one in the file$/, " at")), [what, what]);
  const [swapped] = await found(home, `listen_tls = ["127.0.0.1:${one.port}"]`, "listen = []");
  assert.match(swapped!, /^submit-address-silent: submitd cannot be reached at /);
});

Deno.test("a backend that is away", async () => {
  await using one = await SubmitdHome.start({ auth: "dovecot:/run/countersign-none/auth" });
  const all = await found(one.home, ...both(one), 'auth = "dovecot:/run/countersign-none/auth"');
  assert.equal(all.length, 1, all.join("\n"));
  assert.match(all[0]!, /^submit-auth-failing: Passwords cannot be checked: "454 4\.7\.0 /);
});

/** A server with TLS from the start that answers logins as `login` says. */
async function fake(offer: string, login: (user: string) => Promise<string> | string) {
  const { cert, key } = await certificate();
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const serve = async (connection: Deno.Conn) => {
    const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
    const say = (text: string) => connection.write(encoder.encode(`${text}\r\n`));
    await say("220 fake ESMTP");
    for await (const chunk of connection.readable) {
      const line = decoder.decode(chunk).trim();
      const [, response] = /^AUTH PLAIN (\S+)$/.exec(line) ?? [];
      if (response !== undefined) await say(await login(atob(response).split("\0")[1]!));
      else await say(line.startsWith("EHLO") ? `250-fake\r\n250 ${offer}` : "221 bye");
    }
  };
  const running = (async () => {
    for await (const connection of listener) void serve(connection).catch(() => {});
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await running;
    },
  };
}

for (
  const [name, offer, login, finding] of [
    [
      "root is answered at once",
      "AUTH PLAIN",
      async (user: string) => {
        if (user !== "root") await new Promise((resolve) => setTimeout(resolve, 400));
        return "535 no";
      },
      /^submit-login-timing: A failed login of root takes \d+ ms, and one of an unknown user \d{3,} ms$/,
    ],
    [
      "any password is right",
      "AUTH PLAIN",
      () => "235 welcome",
      /^submit-password-ignored: The login doctor-\w+ was accepted/,
    ],
    [
      "no AUTH",
      "SIZE",
      () => "500 no",
      /^submit-address-wrong: submitd does not work at .*: AUTH PLAIN is not offered/,
    ],
  ] as const
) {
  Deno.test(`doctor and a server: ${name}`, async () => {
    await using one = await SubmitdHome.start();
    await using server = await fake(offer, login);
    const all = await found(one.home, "listen = []", `listen_tls = ["127.0.0.1:${server.port}"]`);
    assert.equal(all.length, 1, all.join("\n"));
    assert.match(all[0]!, finding);
  });
}

Deno.test("AUTH before TLS is found", async () => {
  await using one = await SubmitdHome.start();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const running = (async () => {
    for await (const connection of listener) {
      const say = (text: string) => connection.write(new TextEncoder().encode(`${text}\r\n`));
      await say("220 fake ESMTP");
      for await (const _ of connection.readable) await say("250-fake\r\n250 AUTH PLAIN LOGIN");
    }
  })().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  const all = await found(one.home, "listen_tls = []", `listen = ["127.0.0.1:${port}"]`);
  assert.deepEqual(all, [
    `submit-auth-unencrypted: AUTH is offered before TLS at 127.0.0.1:${port}`,
    `submit-address-wrong: submitd does not work at 127.0.0.1:${port}: STARTTLS is not offered`,
  ]);
  listener.close();
  await running;
});
