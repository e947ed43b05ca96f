/** The repository's own vectors: those printed in `docs/transactions.md`, and those in the file that this page names. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { test } from "node:test";

import { type Approval, type Draft, AccountKey, Transaction, toHex } from "../src/index.js";
import { repository } from "./repository.js";

interface Vector {
  name: string;
  seeds: Record<string, string>;
  fields: Draft & { approvals: Approval[] };
  sign_bytes: string;
  transaction: string;
  hash: string;
}

const PAGE = resolve(repository, "docs/transactions.md");
const page = readFileSync(PAGE, "utf8");

test("the transaction of docs/transactions.md, byte by byte", () => {
  const block = /```text\n(secret seed[^]*?)```/.exec(page)?.[1] ?? "";
  const named = (name: string) => new RegExp(`^${name} +(\\S+)$`, "m").exec(block)?.[1] ?? assert.fail(`no ${name}`);
  // All lines between the two empty ones, without what the words beside the digits say.
  const lines = block.split("\n\n")[1]?.split("\n") ?? [];
  const bytes = lines.map((line) => /^((?:[0-9a-f]{2,} ?)+)(?: |$)/.exec(line)?.[1]?.replaceAll(" ", "") ?? assert.fail(line));

  const key = AccountKey.fromSeed(named("secret seed"));
  assert.equal(toHex(key.publicKey), named("public key"));
  assert.equal(key.address, named("sender"));
  const draft = { chain_id: "althing-example", sequence: 0, asset: "COIN", to: named("recipient"), amount: 5 };
  const transaction = Transaction.transfer(key, draft);
  assert.equal(toHex(transaction.encode()), bytes.join(""));
  assert.equal(transaction.hash(), named("hash"));
});

const file = /\]\((\.\.\/[^)]*transactions\.json)\)/.exec(page)?.[1] ?? assert.fail("the page names no vectors");
const vectors = JSON.parse(readFileSync(resolve(dirname(PAGE), file), "utf8")) as { valid: Vector[] };

test("there are vectors of every kind of instruction", () => {
  const kinds = new Set(vectors.valid.flatMap((vector) => vector.fields.instructions.map((one) => Object.keys(one)[0])));
  assert.equal(kinds.size, 16);
});

for (const vector of vectors.valid) {
  test(`vector: ${vector.name}`, () => {
    const { approvals, ...draft } = vector.fields;
    const keys = new Map(Object.entries(vector.seeds).map(([key, seed]) => [key, AccountKey.fromSeed(seed)]));
    const key = (name: string) => keys.get(name) ?? assert.fail(`no seed of ${name}`);

    const signed = new Transaction(draft);
    assert.equal(toHex(signed.signBytes()), vector.sign_bytes);
    for (const approval of approvals) {
      if ("key" in approval) {
        signed.sign(key(approval.key.key));
      } else {
        const { policy, signatures } = approval.multi;
        // In another order than they stand in the transaction.
        signed.signShared(policy, signatures.map(([index]) => key(policy.keys[index] ?? "")).reverse());
      }
    }
    assert.equal(toHex(signed.encode()), vector.transaction);
    assert.equal(signed.hash(), vector.hash);

    const collected = new Transaction(draft);
    approvals.forEach((approval) => collected.approve(approval));
    assert.equal(toHex(collected.encode()), vector.transaction);
  });
}
