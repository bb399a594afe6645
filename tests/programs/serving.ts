/** `countersign serve` for the settings of a home, started by its launcher and held to its sandbox. */
import type { Home } from "../rig.ts";
import { countersignLauncher, ServeProcess } from "../serve/process.ts";
import { until } from "./postfix.ts";

/** A running server. */
export class Serving extends ServeProcess {
  private constructor(home: Home, launcher?: string) {
    const config = `${home.path}/.config/countersign/config.toml`;
    super(home, launcher ?? countersignLauncher(home), config);
  }

  /** Starts it, and waits until it listens. @param launcher the installed one; default: one for the checkout */
  static async start(home: Home, launcher?: string): Promise<Serving> {
    const one = Serving.begin(home, launcher);
    await until("serve", () => one.stderr.includes("Listening on"), () => one.stderr);
    return one;
  }

  /** Starts it. */
  static begin(home: Home, launcher?: string): Serving {
    return new Serving(home, launcher);
  }
}
