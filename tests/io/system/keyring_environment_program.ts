/** Prints the environment that a password program gets, with the environment that this program was started with. */
import { keyringEnvironment } from "../../../io/system/environment.ts";

console.log(JSON.stringify(keyringEnvironment()));
