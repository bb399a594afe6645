/** What others do for one message, as small as it can be written in their way. */

/** Mail::SRS as the seed of this project used it: sign the sender, run the mail program. */
export const PERL = `use Mail::SRS;
my $srs = Mail::SRS->new(Secret => 'tick-tock-secret', HashLength => 8);
my $sender = $srs->forward('greg@example.org', 'srs.example.org');
exec $ENV{INJECTOR}, '-i', '-f', $sender, '--', @ARGV;
`;

/** The steps of a tagging wrapper in Python: whole message read and parsed, a token filed, the mail program run. */
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

/** What a Deno program cannot do without that runs another and feeds it. */
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

/** Mail::SRS in process: calls a second, of each half a second, the answer looked at. */
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
