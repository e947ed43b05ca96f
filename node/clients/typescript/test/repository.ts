/** The checkout that this package lies in. */

import { fileURLToPath } from "node:url";

/** Its root, seen from `dist/test`. */
export const repository = fileURLToPath(new URL("../../../../..", import.meta.url));
