/** Two mail servers: the user's own, with greg, mutt and the hook, and another that rejects mail. */
import assert from "node:assert/strict";
import { CREATED, Home, SECRET } from "../rig.ts";
import { Installed } from "./installation.ts";
import { freePort, Postfix } from "./postfix.ts";
import { chown, GREG, MAIN, plainSnippet, Site, siteSnippet } from "./site.ts";

/**
 * Starts the other server, which sends mail to example.org to this port. It rejects nobody@far.example at RCPT, and
 * returns mail to late@far.example after it has accepted it.
 *
 * @param main more lines of main.cf
 */
export function startFar(port: number, main = ""): Promise<Postfix> {
  const back = `smtp:[127.0.0.1]:${port}`;
  return Postfix.start({
    main: `myhostname = mx.far.example
mydestination =
relay_domains = far.example
mynetworks = 127.0.0.0/8
smtpd_reject_unlisted_recipient = no
smtpd_recipient_restrictions = check_recipient_access inline:{ nobody@far.example=REJECT }, permit
transport_maps = inline:{ far.example=error:5.1.1:nobody-here, example.org=${back}, srs.example.org=${back} }
${main}`,
  });
}

export class TwoServers implements AsyncDisposable {
  readonly home = new Home();
  private constructor(
    readonly site: Site,
    readonly installed: Installed,
    readonly far: Postfix,
    readonly near: Postfix,
  ) {}

  static async start(): Promise<TwoServers> {
    const installed = await Installed.make();
    const site = new Site();
    const [nearPort, closed] = [freePort(), freePort()];
    const far = await startFar(nearPort);
    const forward = `${site.folder}/${GREG}/.forward`;
    const hookWithConfig = `${installed.hook} --config ${site.folder}/${GREG}/.config/countersign/config.toml`;
    Deno.writeTextFileSync(forward, siteSnippet("local/forward", site, hookWithConfig));
    chown(GREG, forward);
    const near = await Postfix.start({
      main: MAIN +
        plainSnippet("pipe/main.cf").replace(
          "countersign: }",
          `countersign:, far.example=smtp:[127.0.0.1]:${far.port}, slow.example=smtp:[127.0.0.1]:${closed}, loop.invalid=error:5.1.2:no-such-domain }`,
        ) + `forward_path = ${site.folder}/$user/.forward
delay_warning_time = 1s
minimal_backoff_time = 1s
queue_run_delay = 1s
`,
      master: siteSnippet("pipe/master.cf", site, installed.hook),
    }, nearPort);
    const servers = new TwoServers(site, installed, far, near);
    const injector = plainSnippet("injector/config.toml")
      .replace('"/usr/sbin/sendmail"', `"/usr/sbin/sendmail", "-C", "${near.config}"`);
    const identity = `[[identity]]\naddress = "${GREG}@example.org"\nsrs_domain = "srs.example.org"\n`;
    servers.home.write(".config/countersign/config.toml", identity + injector);
    servers.home.write(".config/countersign/keys", `k1 ${CREATED} ${GREG} ${SECRET}\n`, 0o600);
    servers.home.write(".muttrc", `set from="${GREG}@example.org" sendmail="${installed.shim}"\n`);
    return servers;
  }

  async mutt(to: string): Promise<void> {
    const argv = ["mutt", "-n", "-F", `${this.home.path}/.muttrc`, "-s", "Lunch?", "--", to];
    const ran = await this.home.run(argv, "At one?\n", { LC_ALL: "C.UTF-8", USER: GREG });
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  }
  inbox = () => this.site.mails(GREG);
  spam = () => this.site.mails(GREG, "Maildir/.Spam");
  trouble = () => `near ${this.near.log} far ${this.far.log} hook ${this.site.log(GREG)}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.far[Symbol.asyncDispose]();
    this.site[Symbol.dispose]();
    this.home[Symbol.dispose]();
    this.installed[Symbol.dispose]();
  }
}
