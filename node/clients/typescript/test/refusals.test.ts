/** What is refused before it is signed. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type Draft,
  type Instruction,
  AccountKey,
  Transaction,
  addressBytes,
  addressOfPolicy,
  addressText,
  integer,
  lockId,
  toHex,
} from "../src/index.js";

const alice = AccountKey.fromSeed(new Uint8Array(32).fill(1));
const bob = AccountKey.fromSeed(new Uint8Array(32).fill(2));
const transfer: Instruction = { transfer: { asset: "COIN", from: alice.address, to: bob.address, amount: 5 } };
const draft: Draft = { chain_id: "c", sender: alice.address, sequence: 0, instructions: [transfer] };

test("drafts that the ledger would refuse", () => {
  const cases: [Partial<Draft>, RegExp][] = [
    [{ instructions: [] }, /instructions: 0, 1 to 16/],
    [{ instructions: Array<Instruction>(17).fill(transfer) }, /instructions: 17/],
    [{ memo: "Þ".repeat(129) }, /memo: 258 bytes/],
    [{ chain_id: "c".repeat(51) }, /chain_id: 51 bytes/],
    [{ idempotency_key: "" }, /idempotency_key: 0/],
    [{ idempotency_key: "00".repeat(33) }, /idempotency_key: 33/],
    [{ sequence: 1n << 64n }, /sequence: .* more than 64 bits/],
    [{ sequence: -1 }, /sequence: -1/],
    [{ sequence: 2 ** 53 }, /no whole number/],
    [{ sequence: 0.5 }, /no whole number/],
    [{ sequence: "1e3" }, /no whole number/],
    [{ sender: alice.address.replace("x", "y") }, /checksum/],
    [{ instructions: [{ transfer: { ...transfer.transfer, asset: "coin" } }] }, /"coin"/],
    [{ instructions: [{ transfer: { ...transfer.transfer, amount: 1n << 128n } }] }, /128 bits/],
    [{ instructions: [{ transfer: { ...transfer.transfer, amount: 0 } }] }, /amount: 0/],
    [{ instructions: [{ ...transfer, refund: { lock: "" } } as Instruction] }, /transfer, refund/],
    [{ instructions: [{ pay: {} } as unknown as Instruction] }, /not pay/],
  ];
  for (const [change, expected] of cases) {
    assert.throws(() => new Transaction({ ...draft, ...change }), expected, String(expected));
  }
});

test("a missing approval and a needless one", () => {
  assert.throws(() => new Transaction(draft).encode(), new RegExp(`${alice.address} has not approved`));
  assert.throws(() => new Transaction(draft).sign(bob), /need not approve/);
  const keys = [alice, bob].map((key) => toHex(key.publicKey)).sort();
  const policy = { threshold: 2, keys };
  const shared = new Transaction({ ...draft, sender: addressOfPolicy(policy), instructions: [{ approve: { proposal: 1 } }] });
  assert.throws(() => shared.signShared(policy, [alice]).encode(), /signatures: 1, 2 to 2/);
  assert.throws(() => shared.signShared(policy, [AccountKey.generate()]), /none of the account's keys/);
  assert.throws(() => addressOfPolicy({ threshold: 1, keys: [...keys].reverse() }), /ascend/);
  assert.throws(() => addressOfPolicy({ threshold: 3, keys }), /threshold: 3 of 2/);
  assert.ok(shared.signShared(policy, [bob, alice]).encode().length > 0);
});

test("addresses", () => {
  assert.equal(addressText(addressBytes(alice.address)), alice.address);
  assert.equal(addressText(addressBytes(alice.address.toUpperCase())), alice.address);
  for (const slip of [`${alice.address}q`, `bl${alice.address.slice(2)}`, alice.address.replace("l", "L"), ""]) {
    assert.throws(() => addressBytes(slip), /is no address/, slip);
  }
});

test("key files", () => {
  const file = { version: 1, kind: "account", public_key: toHex(alice.publicKey), encryption: "none", secret: "01".repeat(32) };
  assert.equal(AccountKey.fromKeyFile(JSON.stringify(file)).address, alice.address);
  const cases: [object, RegExp][] = [
    [{ kind: "vote" }, /kind vote/],
    [{ version: 2 }, /version 2/],
    [{ encryption: { scheme: "scrypt" } }, /passphrase/],
    [{ secret: "02".repeat(32) }, /not that of its public key/],
    [{ secret: "02" }, /32 bytes/],
  ];
  for (const [change, expected] of cases) {
    assert.throws(() => AccountKey.fromKeyFile(JSON.stringify({ ...file, ...change })), expected);
  }
  assert.ok(!JSON.stringify(alice).includes("0101"), "a key that is written shows no secret");
});

test("integers and the ids of locks", () => {
  assert.equal(integer("18446744073709551615", "n"), (1n << 64n) - 1n);
  const id = lockId(alice.address, 7, 1);
  assert.equal(id, `${toHex(addressBytes(alice.address))}000000000000000701`);
});
