/** Installs the Debian packages of all programs that are missing, in one call. .ci/run runs it before the tests. */
import { fetchAll } from "./need.ts";

await fetchAll();
