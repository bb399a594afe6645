/**
 * What one message costs: `deno task bench`. Writes bench/results.json and the
 * tables of bench/README.md. Ratios count; the milliseconds are this machine's.
 */
import { bundle } from "../contrib/install/bundle.ts";
import { LEAN } from "../contrib/install/launcher.ts";
import { signTag } from "../mod.ts";
import { Home, qsbmf, ROOT, SECRET } from "../tests/rig.ts";
import { Sink } from "../tests/smtp_sink.ts";
import { measure, type Measured, type Subject } from "./measure.ts";
import { PERL, PYTHON } from "./peers.ts";

const TIMES = Number(Deno.env.get("BENCH_TIMES") ?? 40);
const DENO = ["run", LEAN, "-q", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only"];
const ALLOW = ["--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-sys=uid"];

for (const program of ["/usr/bin/time", "/usr/bin/perl", "/usr/bin/python3"]) {
  try {
    Deno.statSync(program);
  } catch {
    console.error(`bench: ${program} is not here: apt-get install time perl python3 libmail-srs-perl msmtp`);
    Deno.exit(1);
  }
}

using home = new Home();
const at = (name: string) => `${home.path}/${name}`;
const reader = home.write("bin/reader", "#!/bin/sh\nexec cat >/dev/null\n", 0o755);
home.settings(`[transport]\npreset = "sendmail"\ncommand = ["${reader}"]\n`);
home.write("empty.js", "");
home.write(
  "spawn.js",
  `const child = new Deno.Command("${reader}", { stdin: "piped", stdout: "null", stderr: "null" }).spawn();
const writer = child.stdin.getWriter();
await writer.write(await new Response(Deno.stdin.readable).bytes());
await writer.close();
Deno.exit((await child.status).code);
`,
);
home.write("srs.pl", PERL);
home.write("tag.py", PYTHON);
Deno.mkdirSync(at("tokens"));
await bundle(at("dist"));
const installed = await home.run([
  "/bin/sh",
  "-c",
  'cd "$0" && exec "$1" task -q install --prefix "$2"',
  ROOT,
  Deno.execPath(),
  at("prefix"),
]);
if (installed.code !== 0) throw new Error(installed.stderr);

/** A message of ours of this size. */
function mail(name: string, size: number): string {
  const head =
    "From: greg@example.org\nTo: ann@example.net\nSubject: x\nDate: Fri, 20 Nov 2026 05:32:58 +0000\nMessage-ID: <1@example.org>\n\n";
  return fill(name, head, size);
}

function fill(name: string, head: string, size: number): string {
  const line = new TextEncoder().encode("x".repeat(70) + "\n");
  const piece = new Uint8Array(line.length * 16 * 1024);
  for (let i = 0; i < piece.length; i += line.length) piece.set(line, i);
  const path = home.write(name, head);
  using file = Deno.openSync(path, { append: true });
  for (let left = size - head.length; left > 0; left -= piece.length) {
    file.writeSync(piece.subarray(0, Math.min(left, piece.length)));
  }
  return path;
}

const tag = await signTag("greg@example.org", "<1@example.org>", { key: "k1", secret: SECRET });
const bounce = (name: string, size: number) =>
  fill(
    name,
    qsbmf("greg@example.org", `From: greg@example.org\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag}\n\n`),
    size,
  );

const env = {
  ...home.env,
  HOME: home.path,
  PATH: `${at("bin")}:/usr/sbin:/usr/bin:/bin`,
  INJECTOR: reader,
  TOKENS: at("tokens"),
};
const incoming = { ...env, SENDER: "", RECIPIENT: "greg@example.org", HOST: "example.org", EXT: "" };
const deno = (script: string, ...args: string[]) => [Deno.execPath(), ...DENO, ...ALLOW, at(script), ...args];
const [out2k, in2k] = [mail("out-2k", 2048), bounce("in-2k", 2048)];
const subject = (
  name: string,
  argv: readonly string[],
  input: string,
  more: Record<string, string> = env,
): Subject => ({ name, argv, input, env: more });

await using sink = new Sink();
const msmtp = [
  "/usr/bin/msmtp",
  "-C",
  "/dev/null",
  "--host=127.0.0.1",
  `--port=${sink.port}`,
  "--from=greg@example.org",
  "--",
  "ann@example.net",
];

console.error("small messages …");
const small = await measure([
  subject("Deno, an empty script", deno("empty.js"), out2k),
  subject("Deno, a program run and fed, nothing else", deno("spawn.js"), out2k),
  subject("shim, 2 KB, bundled", deno("dist/shim/main.js", "shim", "--", "ann@example.net"), out2k),
  subject("hook, 2 KB bounce, bundled", deno("dist/hooks/incoming.js", "incoming"), in2k, incoming),
  subject("shim, 2 KB, installed with its launcher", [at("prefix/bin/shim"), "--", "ann@example.net"], out2k),
  subject(
    "hook, 2 KB bounce, installed with its launcher",
    [at("prefix/lib/countersign/hooks/incoming")],
    in2k,
    incoming,
  ),
  subject("perl with Mail::SRS, sender only", ["/usr/bin/perl", at("srs.pl"), "ann@example.net"], out2k),
  subject("Python, tag only", ["/usr/bin/python3", at("tag.py"), "ann@example.net"], out2k),
  subject("msmtp to a server on loopback, neither", msmtp, out2k),
], TIMES);

console.error("100 MB …");
const cats = "cat | cat >/dev/null";
const out100m = mail("out-100m", 100_000_000);
const large = await measure([
  subject("cat | cat, 100 MB", ["/bin/sh", "-c", cats], out100m),
  subject("shim to cat, 100 MB", deno("dist/shim/main.js", "shim", "--", "ann@example.net"), out100m),
  subject("Python, 100 MB", ["/usr/bin/python3", at("tag.py"), "ann@example.net"], out100m),
], Math.max(3, Math.ceil(TIMES / 8)));
Deno.removeSync(out100m);

console.error("1 GB …");
const [out1k, in1k] = [mail("out-1k", 1024), bounce("in-1k", 1024)];
const [out1g, in1g] = [mail("out-1g", 1_000_000_000), bounce("in-1g", 1_000_000_000)];
const shim = deno("dist/shim/main.js", "shim", "--", "ann@example.net");
const hook = deno("dist/hooks/incoming.js", "incoming", "--as", "filter");
const memory = await measure([
  subject("shim, 1 KB", shim, out1k),
  subject("shim, 1 GB", shim, out1g),
  subject("hook, 1 KB", hook, in1k, incoming),
  subject("hook, 1 GB", hook, in1g, incoming),
], 2);

const find = (list: readonly Measured[], name: string) => list.find((one) => one.name.startsWith(name))!;
const [empty, spawned] = [find(small, "Deno, an empty"), find(small, "Deno, a program")];
const ours = [...small, ...memory].filter((one) => /^(shim|hook)/.test(one.name) && !one.name.includes("installed"));
const ratio = (a: number, b: number) => Math.round((a / b) * 100) / 100;
/** Each budget with what was measured against it. */
const budgets = [
  { what: "shim, 2 KB, to an empty script", is: ratio(find(small, "shim, 2 KB, b").ms, empty.ms), most: 1.35 },
  {
    what: "hook, 2 KB bounce, to an empty script",
    is: ratio(find(small, "hook, 2 KB bounce, b").ms, empty.ms),
    most: 1.2,
  },
  { what: "peak memory, MB", is: Math.round(Math.max(...ours.map((one) => one.mb))), most: 50 },
  {
    what: "memory out, 1 GB to 1 KB",
    is: ratio(find(memory, "shim, 1 GB").mb, find(memory, "shim, 1 KB").mb),
    most: 1.5,
  },
  {
    what: "memory in, 1 GB to 1 KB",
    is: ratio(find(memory, "hook, 1 GB").mb, find(memory, "hook, 1 KB").mb),
    most: 1.5,
  },
  {
    what: "100 MB to cat, to cat | cat",
    is: ratio(find(large, "shim to cat").ms, find(large, "cat | cat").ms),
    most: 3,
  },
];
const results = { times: TIMES, small, large, memory, budgets, floor: ratio(spawned.ms, empty.ms) };
Deno.writeTextFileSync(`${ROOT}/bench/results.json`, JSON.stringify(results, null, 2) + "\n");

const rows = (list: readonly Measured[], base: Measured) =>
  list.map(({ name, ms, mb }) =>
    `| ${name} | ${ms.toFixed(1)} | ${ratio(ms, base.ms).toFixed(2)} | ${Math.round(mb)} |`
  );
const head = ["| Process | ms | ratio | MB |", "| - | -: | -: | -: |"];
const table = [
  ...head,
  ...rows(small, empty),
  "",
  ...head,
  ...rows(large, large[0]!),
  "",
  ...head,
  ...rows(memory, memory[0]!),
  "",
  "| Budget | measured | at most | |",
  "| - | -: | -: | - |",
  ...budgets.map(({ what, is, most }) =>
    `| ${what} | ${is} | ${most} | ${is <= most ? "holds" : "**does not hold**"} |`
  ),
].join("\n");
const readme = `${ROOT}/bench/README.md`;
const text = Deno.readTextFileSync(readme).replace(
  /(<!-- results -->)[^]*(<!-- \/results -->)/,
  (_, open, close) => `${open}\n\n<!-- deno-fmt-ignore-start -->\n${table}\n<!-- deno-fmt-ignore-end -->\n\n${close}`,
);
Deno.writeTextFileSync(readme, text);
console.log(table);
