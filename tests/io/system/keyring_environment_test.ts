/** The environment of programs that print a password. */
import assert from "node:assert/strict";

const PROGRAM = new URL("keyring_environment_program.ts", import.meta.url).pathname;

/** Runs the program with exactly this environment. */
async function given(env: Record<string, string>): Promise<Record<string, string>> {
  const args = ["run", "-q", "--frozen", "--allow-env", PROGRAM];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, clearEnv: true, env, cwd: "/" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("a password program gets what a keyring needs, and nothing else", async () => {
  const kept = {
    HOME: "/proc/nonexistent",
    PATH: "/bin",
    LANG: "C.UTF-8",
    LC_MESSAGES: "C",
    DISPLAY: ":0",
    WAYLAND_DISPLAY: "wayland-0",
    XDG_RUNTIME_DIR: "/run/user/1000",
    DBUS_SESSION_BUS_ADDRESS: "unix:path=/run/user/1000/bus",
    GNUPGHOME: "/keys",
    GPG_TTY: "/dev/pts/0",
    PASSWORD_STORE_DIR: "/store",
    SSH_AUTH_SOCK: "/agent",
  };
  const dropped = {
    SENDER: "stranger@example.net",
    EXT: "x",
    BASH_ENV: "/tmp/evil",
    ENV: "/tmp/evil",
    IFS: "x",
    PERL5LIB: "/tmp",
    PYTHONPATH: "/tmp",
    COUNTERSIGN_LAUNCHER: "1",
    LD_PRELOAD: "",
  };
  assert.deepEqual(await given({ ...kept, ...dropped }), kept);
});

Deno.test("without PATH there is a usual one", async () => {
  assert.deepEqual(await given({}), { PATH: "/usr/local/bin:/usr/bin:/bin" });
});
