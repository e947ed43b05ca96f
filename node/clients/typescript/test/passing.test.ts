/** The package goes by the same list as the node's own clients. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";

import { PASSING_ERRORS, PASSING_REFUSALS } from "../src/index.js";
import { repository } from "./repository.js";

test("what passes by itself is what docs/codes.md lists", () => {
  const section = readFileSync(resolve(repository, "docs/codes.md"), "utf8").split("## What passes by itself")[1]?.split("\n## ")[0] ?? "";
  const lines = [...section.matchAll(/^- (?:`(\w+)`|error objects): (.+)$/gm)];
  const listed = Object.fromEntries(lines.map(([, space, codes]) => [space ?? "errors", codes?.split(", ").map(Number)]));
  assert.deepEqual(listed, { errors: PASSING_ERRORS, ...PASSING_REFUSALS });
});
