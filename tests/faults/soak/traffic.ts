/** Sends the messages of a soak, each until it has a final result, and answers what arrives at the other end. */
import { RawSmtp } from "../../submit/raw_smtp.ts";
import { fieldOf } from "../../rig.ts";
import { smtp } from "../../programs/postfix.ts";
import { srs } from "../../programs/site.ts";
import { REFUSED } from "../../smtp_sink.ts";
import { bounce, FATES, letter, type Mail, person, token, tokenIn, WAYS, withoutTag } from "./mail.ts";
import { SERVICE } from "./settings.ts";
import { USERS, type World } from "./world.ts";

/** The fraction of shims and runners of the outbox that are killed, unless they have ended before. */
const KILLS = 0.15;
/** A client gives up a connection after this time, in milliseconds. */
const PATIENCE = 90_000;
/**
 * After this time without a final result of a message no attempt is repeated, and the tally reports it; milliseconds.
 */
const GIVE_UP = 300_000;

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

export class Traffic {
  readonly mails: Mail[] = [];
  /** What is still to be sent, because something arrived at the other end. */
  readonly #due: (() => Promise<void>)[] = [];
  /** The messages that were answered, so that a second copy is not. */
  readonly #answered = new Set<number>();
  #seen = 0;
  #busy = 0;
  #gaveUp = false;
  /** What was killed here. */
  readonly kills = { shim: 0, runner: 0 };

  constructor(readonly world: World, readonly random: () => number, readonly target: number) {
    world.host.sink.answers = {
      to: (recipient) => recipient.startsWith("refused-") ? REFUSED : undefined,
      hold: () => pause(random() * 20),
    };
  }

  /** Sends until there are enough messages. */
  async work(): Promise<void> {
    while (this.mails.length < this.target && !this.#gaveUp) await this.#step(() => this.#fresh());
  }

  /** Answers what arrives, until the other end has been quiet. @returns whether something was sent */
  async answerAll(): Promise<boolean> {
    let sent = false;
    for (this.#look(); this.#due.length > 0 || this.#busy > 0; this.#look()) {
      sent = true;
      if (this.#due.length > 0) await this.#step(() => Promise.resolve());
      else await pause(20);
    }
    return sent;
  }

  async #step(otherwise: () => Promise<void>): Promise<void> {
    this.#look();
    this.#busy++;
    try {
      await (this.#due.shift() ?? otherwise)();
    } finally {
      this.#busy--;
    }
  }

  #pick = <T>(list: readonly T[]): T => list[Math.floor(this.random() * list.length)]!;

  #add(mail: Omit<Mail, "id" | "begun" | "unknown">): Mail {
    const one = { ...mail, id: this.mails.length, begun: Date.now(), unknown: 0 };
    this.mails.push(one);
    return one;
  }

  /** Sends a message that is about nothing that arrived. */
  #fresh(): Promise<void> {
    const [roll, user] = [this.random(), this.#pick(USERS)];
    const other = USERS.find((one) => one !== user)!;
    if (roll < 0.5) {
      const mail = this.#add({ kind: "own", user, way: this.#pick(WAYS), fate: this.#pick(FATES) });
      return this.#send(mail, user);
    }
    if (roll < 0.56) {
      return this.#send(this.#add({ kind: "impostor", user, way: this.#pick(["submission", "submitd"]) }), other);
    }
    const port = () => this.world.host.postfix.port;
    const plain = `${user}@example.org`;
    if (roll < 0.7) {
      const mail = this.#add({ kind: "ordinary", user, way: "port 25" });
      const from = person(mail.id);
      return this.#retry(mail, () => smtp(port(), from, plain, letter(mail.id, from, plain)));
    }
    if (roll < 0.8) {
      const mail = this.#add({ kind: "request", user, way: "port 25" });
      const from = person(mail.id);
      return this.#retry(mail, () => smtp(port(), from, SERVICE, letter(mail.id, from, SERVICE)));
    }
    const mail = this.#add({ kind: "forged", user, way: this.#pick(["plain", "wrong hash"]) });
    const to = mail.way === "plain" ? plain : srs(user, new Date(), "a secret of nobody");
    return this.#retry(mail, () => smtp(port(), "", to, bounce(mail.id, to)));
  }

  /** Sends a message from this user's address as the user of the mail. */
  async #send(mail: Mail, author: string): Promise<void> {
    const { host, submitd } = this.world;
    const sender = `${mail.user}@example.org`;
    const to = `${mail.fate ?? "impostor"}-${mail.id}@far.example`;
    const text = letter(mail.id, `${author}@example.org`, to);
    if (mail.way === "submission") return await this.#retry(mail, () => host.submit(mail.user, sender, text, to));
    if (mail.way !== "submitd") return await this.#shim(mail, text, to);
    await this.#retry(mail, async () => {
      using client = await RawSmtp.tls(submitd.tls, submitd.ca);
      await client.say("EHLO phone.example");
      const login = await client.logIn(mail.user, "secret");
      if (!login.startsWith("235 ")) return login.startsWith("5") ? `4 ${login}` : login;
      await client.begin(sender, to);
      return await client.say(`${text.replaceAll("\n", "\r\n")}.`);
    });
  }

  /** Whether this message, or one before, had no final result for too long. */
  #givesUp({ begun }: Mail): boolean {
    return this.#gaveUp ||= Date.now() - begun > GIVE_UP;
  }

  async #retry(mail: Mail, attempt: () => Promise<string>): Promise<void> {
    for (;;) {
      let timer;
      const late = new Promise<string>((_, reject) =>
        timer = setTimeout(() => reject(new Error("too late")), PATIENCE)
      );
      // A broken connection leaves it open whether the message was accepted.
      const answer = await Promise.race([attempt(), late]).catch(() => "");
      clearTimeout(timer);
      if (!/^[245]/.test(answer)) mail.unknown++;
      if (answer.startsWith("2")) return ended(mail, "accepted");
      if (answer.startsWith("5")) return ended(mail, answer);
      if (this.#givesUp(mail)) return;
      await pause(50 + this.random() * 300);
    }
  }

  /** The words that run a shim as this user. */
  #command(user: string, outbox: boolean, ...args: string[]): string[] {
    const { home } = this.world.places(user as Mail["user"]);
    const environment = [`HOME=${home}`, "PATH=/usr/sbin:/usr/bin:/bin"];
    if (outbox) environment.push(`COUNTERSIGN_CONFIG=${home}/outbox/config.toml`);
    const as = ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups", "env", "-i", ...environment];
    return this.world.host.postfix.onMachine([...as, this.world.installed.shim, ...args]);
  }

  async #shim(mail: Mail, text: string, to: string): Promise<void> {
    const argv = this.#command(mail.user, mail.way === "outbox", "--", to);
    for (;;) {
      const { success, signal } = await this.#run(argv, text, "shim");
      if (success) return ended(mail, "accepted");
      if (signal === "SIGKILL") mail.unknown++;
      if (this.#givesUp(mail)) return;
      await pause(50 + this.random() * 300);
    }
  }

  /** Runs the outbox of this user once. */
  async runOutbox(user: string, kills: boolean): Promise<void> {
    await this.#run(this.#command(user, true, "-q"), "", "runner", kills);
  }

  /** Runs a program in a process group of its own; some are killed, with or without what they started. */
  async #run(argv: string[], input: string, what: "shim" | "runner", kills = true): Promise<Deno.CommandStatus> {
    const options = { args: argv.slice(1), cwd: "/", stdin: "piped", stdout: "null", stderr: "null" } as const;
    const child = new Deno.Command(argv[0]!, { ...options, detached: true }).spawn();
    const [killed, group, term] = [kills && this.random() < KILLS, this.random() < 0.5, this.random() < 0.2];
    const timer = setTimeout(() => {
      if (!killed) return;
      try {
        Deno.kill(group ? -child.pid : child.pid, term ? "SIGTERM" : "SIGKILL");
        this.kills[what]++;
      } catch {
        // It has just ended.
      }
    }, this.random() * 600);
    const writer = child.stdin.getWriter();
    const fed = writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const status = await child.status;
    clearTimeout(timer);
    await fed;
    return status;
  }

  /** Looks at what has arrived at the other end, and prepares bounces and replies. */
  #look(): void {
    const { accepted } = this.world.host.sink;
    for (; this.#seen < accepted.length; this.#seen++) {
      const { from, to: [to = ""], mail } = accepted[this.#seen]!;
      const id = Number(/-(\d+)@far\.example$/.exec(to)?.[1] ?? tokenIn(mail));
      const about = this.mails[id];
      if (about === undefined || this.#answered.has(id)) continue;
      if (about.kind === "own" && about.fate?.startsWith("bounced-")) this.#bounce(about, from, mail);
      else if (about.kind === "request" && fieldOf(mail, "Reply-To") !== "") {
        this.#confirm(about, fieldOf(mail, "Reply-To"));
      } else continue;
      this.#answered.add(id);
    }
  }

  #bounce(about: Mail, from: string, text: string): void {
    const { user } = about;
    const way = about.fate!.slice("bounced-".length);
    const to = way === "signed" ? from : `${user}@example.org`;
    const returned = { signed: undefined, returned: text, named: withoutTag(text) }[way];
    this.#due.push(() => {
      const mail = this.#add({ kind: "genuine", user, way, about });
      return this.#retry(mail, () => smtp(this.world.host.postfix.port, "", to, bounce(mail.id, to, returned)));
    });
  }

  #confirm(about: Mail, to: string): void {
    this.#due.push(() => {
      const mail = this.#add({ kind: "reply", user: about.user, way: "port 25", about });
      const from = person(about.id);
      const text = letter(mail.id, from, to).replace("Lunch?", "Re: Lunch?");
      return this.#retry(mail, () => smtp(this.world.host.postfix.port, from, to, text));
    });
  }
}

function ended(mail: Mail, result: string): void {
  [mail.result, mail.ended] = [result, Date.now()];
}

/** The name of a message, for reports. */
export const nameOf = ({ id, kind, way, fate }: Mail): string => `${token(id)} ${kind} ${way} ${fate ?? ""}`.trimEnd();
