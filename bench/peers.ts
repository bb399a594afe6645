/** Minimal implementations of other approaches, for comparison. */

/** A wrapper with Mail::SRS, as this project's predecessor was: signs the sender and runs the mail program. */
export const PERL = `use Mail::SRS;
my $srs = Mail::SRS->new(Secret => 'tick-tock-secret', HashLength => 8);
my $sender = $srs->forward('greg@example.org', 'srs.example.org');
exec $ENV{INJECTOR}, '-i', '-f', $sender, '--', @ARGV;
`;

/** A tagging wrapper in Python: reads and parses the whole message, stores a token, and runs the mail program. */
export const PYTHON = `import email, hashlib, os, subprocess, sys, time
data = sys.stdin.buffer.read()
message = email.message_from_bytes(data)
seed = "%d,%f,%s,%s" % (os.getpid(), time.time(), message.items(), "secret")
token = hashlib.sha1(seed.encode()).hexdigest()
open(os.path.join(os.environ["TOKENS"], "." + token), "w").close()
child = subprocess.Popen([os.environ["INJECTOR"], *sys.argv[1:]], stdin=subprocess.PIPE)
child.communicate(b"X-Token: " + token.encode() + b"\\n" + data)
sys.exit(child.returncode)
`;

/** The minimum for a Deno program that runs another and writes to its input. */
export const SPAWN = `const child = new Deno.Command(Deno.env.get("INJECTOR"), {
  stdin: "piped",
  stdout: "null",
  stderr: "null",
}).spawn();
const writer = child.stdin.getWriter();
await writer.write(await new Response(Deno.stdin.readable).bytes());
await writer.close();
Deno.exit((await child.status).code);
`;

/** Mail::SRS in process: calls per second, each measured for half a second and its result checked. */
export const SRS_LOOP = `use Mail::SRS; use Time::HiRes 'time';
my $srs = Mail::SRS->new(Secret => 'tick-tock-secret', HashLength => 8);
my ($sender, $alias) = ('greg@example.org', 'srs.example.org');
my $signed = $srs->forward($sender, $alias);
sub rate {
  my ($call) = @_;
  my ($began, $count) = (time, 0);
  do { $call->() for 1 .. 500; $count += 500 } while time - $began < 0.5;
  return $count / (time - $began);
}
$srs->reverse($signed) eq $sender or die 'wrong';
printf '{"sign": %.0f, "verify": %.0f}', rate(sub { $srs->forward($sender, $alias) }), rate(sub { $srs->reverse($signed) });
`;
