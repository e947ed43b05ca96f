/** Transactions: their bytes, what is signed, and their hash, as `docs/transactions.md` has them. */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Address, type Policy, addressBytes, addressOfKey, addressOfPolicy, writePolicy } from "./address.js";
import { type Integer, Writer, compareBytes, fromHex, toHex } from "./bytes.js";
import { type Instruction, debited, writeInstruction } from "./instruction.js";
import { AccountKey } from "./key.js";

/** What approves a transaction for one account. Keys and signatures are hexadecimal digits. */
export type Approval =
  | { key: { key: string; signature: string } }
  | { multi: { policy: Policy; signatures: readonly (readonly [index: number, signature: string])[] } };

/** What a transaction says. */
export interface Draft {
  chain_id: string;
  /** The account that acts. */
  sender: Address;
  /** Its place among the sender's transactions. */
  sequence: Integer;
  /** The last height at which it may execute; without one it never expires. */
  expiry_height?: Integer;
  /** 1 to 32 bytes, as hexadecimal digits, of which one transaction succeeds. */
  idempotency_key?: string | null;
  /** What is to be done, in order, all or nothing. */
  instructions: readonly Instruction[];
  /** A note for people. */
  memo?: string;
}

const VERSION = 2;
const TAG = new TextEncoder().encode("ALTHING/TX");
/** The most bytes of a transaction. */
export const MAX_TRANSACTION_BYTES = 65_536;

/** The hash by which a transaction is known: lower-case hexadecimal digits. */
export function transactionHash(bytes: Uint8Array): string {
  return toHex(sha256(bytes));
}

/** A transaction that is being signed. All that is signed is fixed when it is made. */
export class Transaction {
  readonly #unsigned: Uint8Array;
  readonly #approvals = new Map<Address, Approval>();
  /** The accounts that must approve: the sender and all that are debited. */
  readonly approvers: readonly Address[];

  /** Refuses what the ledger would refuse on sight, with what is wrong. */
  constructor(draft: Draft) {
    const writer = new Writer().u8(VERSION, "version").text(draft.chain_id, 50, "chain_id");
    writer.raw(addressBytes(draft.sender)).u64(draft.sequence, "sequence").u64(draft.expiry_height ?? 0, "expiry_height");
    const key = draft.idempotency_key ?? null;
    if (key === null) {
      writer.u8(0, "idempotency_key");
    } else {
      const bytes = [...fromHex(key)];
      writer.u8(1, "idempotency_key").list(bytes, 1, 32, "idempotency_key", (byte) => writer.u8(byte, "idempotency_key"));
    }
    writer.list(draft.instructions, 1, 16, "instructions", (one) => writeInstruction(writer, one));
    this.#unsigned = writer.text(draft.memo ?? "", 256, "memo").bytes();
    const needed = new Set([draft.sender, ...draft.instructions.map(debited)].filter((one) => one !== undefined));
    this.approvers = [...needed].map((one) => one.toLowerCase()).sort(byAddress);
  }

  /** A transfer from the key's own account, signed. */
  static transfer(key: AccountKey, draft: Omit<Draft, "sender" | "instructions"> & { asset: string; to: Address; amount: Integer }): Transaction {
    const { asset, to, amount, ...rest } = draft;
    const transfer = { asset, from: key.address, to, amount };
    return new Transaction({ ...rest, sender: key.address, instructions: [{ transfer }] }).sign(key);
  }

  /** What every approval signs. */
  signBytes(): Uint8Array {
    return new Writer().raw(TAG).raw(this.#unsigned).bytes();
  }

  /** Approves for the key's own account. */
  sign(key: AccountKey): this {
    this.#needs(key.address);
    const signature = toHex(key.sign(this.signBytes()));
    this.#approvals.set(key.address, { key: { key: toHex(key.publicKey), signature } });
    return this;
  }

  /** Approves for an account of several keys, with as many of them as it demands. */
  signShared(policy: Policy, keys: readonly AccountKey[]): this {
    const message = this.signBytes();
    const signatures = keys.map((key) => {
      const index = policy.keys.indexOf(toHex(key.publicKey));
      if (index < 0) throw new RangeError(`${toHex(key.publicKey)} is none of the account's keys`);
      return [index, toHex(key.sign(message))] as const;
    });
    return this.approve({ multi: { policy, signatures: signatures.sort(([a], [b]) => a - b) } });
  }

  /** Adds an approval that was made elsewhere. Whether its signatures are right, the node says. */
  approve(approval: Approval): this {
    const address = "key" in approval ? addressOfKey(fromHex(approval.key.key)) : addressOfPolicy(approval.multi.policy);
    this.#needs(address);
    this.#approvals.set(address, approval);
    return this;
  }

  /** All its bytes; refuses while an approval is missing. */
  encode(): Uint8Array {
    const writer = new Writer().raw(this.#unsigned);
    writer.list(this.approvers, 1, 17, "approvals", (address) => {
      const approval = this.#approvals.get(address);
      if (approval === undefined) throw new Error(`${address} has not approved yet`);
      writeApproval(writer, approval);
    });
    const bytes = writer.bytes();
    if (bytes.length > MAX_TRANSACTION_BYTES) {
      throw new RangeError(`${bytes.length} bytes, a transaction has at most ${MAX_TRANSACTION_BYTES}`);
    }
    return bytes;
  }

  /** The hash of all its bytes. */
  hash(): string {
    return transactionHash(this.encode());
  }

  #needs(address: Address): void {
    if (!this.approvers.includes(address)) throw new RangeError(`${address} need not approve: it neither acts nor is debited`);
  }
}

function byAddress(a: Address, b: Address): number {
  return compareBytes(addressBytes(a), addressBytes(b));
}

function writeApproval(writer: Writer, approval: Approval): void {
  if ("key" in approval) {
    writer.u8(0, "approval").fixed(approval.key.key, 32, "key").fixed(approval.key.signature, 64, "signature");
    return;
  }
  const { policy, signatures } = approval.multi;
  writer.u8(1, "approval");
  writePolicy(writer, policy);
  let before = -1;
  writer.list(signatures, policy.threshold, policy.threshold, "signatures", ([index, signature]) => {
    if (index <= before || index >= policy.keys.length) throw new RangeError(`signatures: key ${index} after key ${before}`);
    before = index;
    writer.u8(index, "index of the key").fixed(signature, 64, "signature");
  });
}
