/** What a transaction can do: the JSON that `althing tx` and the ledger's answers show, and its bytes. `docs/transactions.md` says what each does. */

import { type Address, addressBytes } from "./address.js";
import { type Integer, Writer, integer } from "./bytes.js";

/** Roles in the order of their numbers. */
export const ROLES = ["administrator", "issuer", "member", "submitter"] as const;
export type Role = (typeof ROLES)[number];

/** Consensus parameters in the order of their numbers. */
export const PARAMETERS = [
  "max_block_bytes",
  "max_block_txs",
  "max_tx_bytes",
  "max_unexecuted_blocks",
  "timeout_min_ms",
  "timeout_base_max_ms",
  "timeout_max_ms",
  "repeat_interval_ms",
  "heartbeat_ms",
  "max_time_ahead_ms",
] as const;
export type Parameter = (typeof PARAMETERS)[number];

/** A BLS12-381 key and the proof that its owner holds the secret, as hexadecimal digits. */
export interface VoteKey {
  key: string;
  proof: string;
}

/** One change to the validators. Identities are Ed25519 keys as hexadecimal digits. */
export type ValidatorChange =
  | { add: { identity: string; vote_key: VoteKey; power: Integer; name: string; account: Address } }
  | { remove: { identity: string } }
  | { power: { identity: string; power: Integer } }
  | { vote_key: { identity: string; vote_key: VoteKey } }
  | { identity: { identity: string; to: string } }
  | { account: { identity: string; account: Address } }
  | { parameter: { parameter: Parameter; value: Integer } }
  | { reinstate: { identity: string } };

/** What members decide by a proposal. */
export type Change =
  | { grant: { role: Role; account: Address } }
  | { revoke: { role: Role; account: Address } }
  | { threshold: { approvals: Integer } }
  | { validators: { changes: readonly ValidatorChange[] } };

/** One step of a transaction. Amounts are in the smallest units of the asset. */
export type Instruction =
  | { transfer: { asset: string; from: Address; to: Address; amount: Integer } }
  | { create_asset: { symbol: string; decimals: Integer; cap: Integer; metadata: string } }
  | { set_metadata: { asset: string; metadata: string } }
  | { issue: { asset: string; to: Address; amount: Integer } }
  | { burn: { asset: string; from: Address; amount: Integer } }
  | { freeze: { asset: string; account: Address } }
  | { unfreeze: { asset: string; account: Address } }
  | { hand_over: { asset: string; to: Address } }
  | { lock: { asset: string; from: Address; to: Address; amount: Integer; hash: string; refund_height: Integer } }
  | { claim: { lock: string; preimage: string } }
  | { refund: { lock: string } }
  | { grant: { role: Role; account: Address } }
  | { revoke: { role: Role; account: Address } }
  | { propose: { change: Change } }
  | { approve: { proposal: Integer } }
  | { withdraw: { proposal: Integer } };

type Kinds<T> = T extends unknown ? keyof T : never;
type Fields<T, K extends Kinds<T>> = T extends { [name in K]: infer F } ? F : never;
/** A writer for each kind, in the order of the kinds' numbers: a kind's number is its place. */
type Writers<T> = { [K in Kinds<T>]: (writer: Writer, fields: Fields<T, K>) => void };

const MAX_METADATA_BYTES = 256;
const MAX_NAME_BYTES = 64;
const LOCK_BYTES = 29;

function account(writer: Writer, address: Address): Writer {
  return writer.raw(addressBytes(address));
}

function symbol(writer: Writer, name: string): Writer {
  if (!/^[A-Z0-9.-]{1,16}$/.test(name)) throw new RangeError(`asset: ${JSON.stringify(name)} is not 1 to 16 of A-Z 0-9 . -`);
  return writer.u8(name.length, "asset").raw(new TextEncoder().encode(name));
}

function amount(writer: Writer, value: Integer): Writer {
  if (integer(value, "amount") === 0n) throw new RangeError("amount: 0, at least 1 unit moves");
  return writer.u128(value, "amount");
}

function voteKey(writer: Writer, { key, proof }: VoteKey): Writer {
  return writer.fixed(key, 48, "vote key").fixed(proof, 96, "proof of the vote key");
}

function place<T extends string>(names: readonly T[], name: T, what: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new RangeError(`${what}: ${JSON.stringify(name)} is none of ${names.join(", ")}`);
  return index;
}

function role(writer: Writer, fields: { role: Role; account: Address }): Writer {
  return account(writer.u8(place(ROLES, fields.role, "role"), "role"), fields.account);
}

const VALIDATOR_CHANGES: Writers<ValidatorChange> = {
  add: (writer, { identity, vote_key, power, name, account: voter }) => {
    voteKey(writer.fixed(identity, 32, "identity"), vote_key).u64(power, "power");
    account(writer.text(name, MAX_NAME_BYTES, "name"), voter);
  },
  remove: (writer, { identity }) => writer.fixed(identity, 32, "identity"),
  power: (writer, { identity, power }) => writer.fixed(identity, 32, "identity").u64(power, "power"),
  vote_key: (writer, { identity, vote_key }) => voteKey(writer.fixed(identity, 32, "identity"), vote_key),
  identity: (writer, { identity, to }) => writer.fixed(identity, 32, "identity").fixed(to, 32, "identity"),
  account: (writer, { identity, account: voter }) => account(writer.fixed(identity, 32, "identity"), voter),
  parameter: (writer, { parameter, value }) =>
    writer.u8(place(PARAMETERS, parameter, "parameter"), "parameter").u64(value, "value"),
  reinstate: (writer, { identity }) => writer.fixed(identity, 32, "identity"),
};

const CHANGES: Writers<Change> = {
  grant: role,
  revoke: role,
  threshold: (writer, { approvals }) => writer.uint(2, approvals, "approvals"),
  validators: (writer, { changes }) =>
    writer.list(changes, 1, 16, "changes", (one) => write(writer, VALIDATOR_CHANGES, one, "change of validators")),
};

const INSTRUCTIONS: Writers<Instruction> = {
  transfer: (writer, { asset, from, to, amount: units }) =>
    amount(account(account(symbol(writer, asset), from), to), units),
  create_asset: (writer, { symbol: name, decimals, cap, metadata }) =>
    symbol(writer, name).u8(decimals, "decimals").u128(cap, "cap").text(metadata, MAX_METADATA_BYTES, "metadata"),
  set_metadata: (writer, { asset, metadata }) => symbol(writer, asset).text(metadata, MAX_METADATA_BYTES, "metadata"),
  issue: (writer, { asset, to, amount: units }) => amount(account(symbol(writer, asset), to), units),
  burn: (writer, { asset, from, amount: units }) => amount(account(symbol(writer, asset), from), units),
  freeze: (writer, { asset, account: whose }) => account(symbol(writer, asset), whose),
  unfreeze: (writer, { asset, account: whose }) => account(symbol(writer, asset), whose),
  hand_over: (writer, { asset, to }) => account(symbol(writer, asset), to),
  lock: (writer, { asset, from, to, amount: units, hash, refund_height }) =>
    amount(account(account(symbol(writer, asset), from), to), units)
      .fixed(hash, 32, "hash")
      .u64(refund_height, "refund_height"),
  claim: (writer, { lock, preimage }) => writer.fixed(lock, LOCK_BYTES, "lock").fixed(preimage, 32, "preimage"),
  refund: (writer, { lock }) => writer.fixed(lock, LOCK_BYTES, "lock"),
  grant: role,
  revoke: role,
  propose: (writer, { change }) => write(writer, CHANGES, change, "change"),
  approve: (writer, { proposal }) => writer.u64(proposal, "proposal"),
  withdraw: (writer, { proposal }) => writer.u64(proposal, "proposal"),
};

function write<T extends object>(writer: Writer, writers: Writers<T>, one: T, what: string): void {
  const [named, ...more] = Object.entries(one);
  const kinds = Object.keys(writers);
  const kind = named === undefined ? -1 : kinds.indexOf(named[0]);
  if (named === undefined || more.length > 0 || kind < 0) {
    throw new TypeError(`${what}: an object with one of ${kinds.join(", ")} is needed, not ${Object.keys(one).join(", ") || "nothing"}`);
  }
  const write = (Object.values(writers) as ((writer: Writer, fields: unknown) => void)[])[kind];
  write?.(writer.u8(kind, what), named[1]);
}

/** Writes an instruction's bytes. */
export function writeInstruction(writer: Writer, instruction: Instruction): void {
  write(writer, INSTRUCTIONS, instruction, "instruction");
}

/** The account that an instruction debits, which must approve. */
export function debited(instruction: Instruction): Address | undefined {
  if ("transfer" in instruction) return instruction.transfer.from;
  if ("burn" in instruction) return instruction.burn.from;
  if ("lock" in instruction) return instruction.lock.from;
  return undefined;
}

/** The id of the lock that an instruction makes: its transaction's sender and sequence, and its place in it. */
export function lockId(sender: Address, sequence: Integer, index: number): string {
  const writer = new Writer().u64(sequence, "sequence");
  const bytes = new Writer().raw(addressBytes(sender)).raw(writer.bytes().reverse()).u8(index, "index").bytes();
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
