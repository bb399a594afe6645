/** What strangers send: nothing of it ends the server, or stays open. */
import assert from "node:assert/strict";
import { nothingSent } from "../stub.ts";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { SubmitdHome } from "./submitd_home.ts";

/** What is sent, piece by piece. */
const PIECES = [
  "EHLO x\r\n",
  "STARTTLS\r\n",
  "STARTTLS\r\nEHLO x\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "AUTH PLAIN AGdyZWcAc2VjcmV0\r\n",
  "AUTH LOGIN\r\n",
  "MAIL FROM:<greg@example.org>\r\n",
  "RCPT TO:<ann@example.net>\r\n",
  "DATA\r\n",
  ".\r\n",
  "QUIT\r\n",
  "\0\xff\r\n",
  "x".repeat(5000),
  "GET / HTTP/1.1\r\n\r\n",
];

/** Returns numbers below a limit, the same in each run. */
function generator(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(seed / 2 ** 32 * limit);
  };
}

Deno.test("garbage and cut connections, on both ports, before and inside TLS", async () => {
  await using one = await SubmitdHome.start({
    submit: "max_per_address = 1000",
    times: { login: 2000, session: 5000 },
  });
  const random = generator(20_261_128);
  const stranger = async (nth: number) => {
    const port = nth % 2 === 0 ? one.port : one.tls;
    try {
      const caCerts = [Deno.readTextFileSync(one.ca)];
      const inside = nth % 4 === 1;
      using connection: Deno.Conn = inside
        ? await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts })
        : await Deno.connect({ hostname: "127.0.0.1", port });
      for (let count = random(6); count > 0; count--) {
        await connection.write(Uint8Array.from(PIECES[random(PIECES.length)]!, (one) => one.charCodeAt(0)));
        if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(250)));
      }
    } catch {
      // The server has closed the connection.
    }
  };
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 30 }, (_, nth) => stranger(round * 30 + nth)));
  }
  nothingSent(one.home);
  using client = await RawSmtp.greg(one.tls, one.ca);
  assert.match(await client.submit(MAIL), /^250 /);
});

/** Connects twice from one port, to each of two ports, then from another one. Prints whether it gets a greeting. */
const ONE_PORT = `use IO::Socket::INET;
my ($one, $other) = @ARGV;
sub to { return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$_[0]", LocalAddr => "127.0.0.1", ReuseAddr => 1, @_[1 .. $#_]) or die $@ }
my $first = to($one);
<$first>;
my $second = to($other, LocalPort => $first->sockport);
<$second>;
my $third = to($one);
print defined <$third> ? "accepted" : "rejected";
`;

Deno.test("a client that uses one port for connections to two sockets is counted twice", async () => {
  await using one = await SubmitdHome.start({ submit: "max_per_address = 2" });
  const other = await one.server.listen({ where: { host: "127.0.0.1", port: 0 }, tls: false });
  const args = ["-e", ONE_PORT, String(one.port), String(other)];
  const { stdout } = await new Deno.Command("perl", { args, stderr: "inherit" }).output();
  assert.equal(new TextDecoder().decode(stdout), "rejected");
});
