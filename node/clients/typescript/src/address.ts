/** Accounts: an address is the first 20 bytes of a hash of the key, or keys, that act for it; as text bech32m (BIP-350) with prefix `al`. */

import { sha256 } from "@noble/hashes/sha2.js";

import { Writer, compareBytes, fromHex } from "./bytes.js";

/** An account as text, such as `al1x36slx9at870e9rd53d2405n80s4ff94rjrl9h`. */
export type Address = string;

/** Several keys of which so many must sign. */
export interface Policy {
  threshold: number;
  /** Public keys as hexadecimal digits, ascending, none twice. */
  keys: readonly string[];
}

const PREFIX = "al";
const DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
/** What makes it bech32m, and not bech32. */
const CHECK = 0x2bc830a3;
const ADDRESS_BYTES = 20;

function checksum(values: readonly number[]): number {
  let check = 1;
  for (const value of values) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    GENERATORS.forEach((generator, i) => {
      if ((top >>> i) & 1) check ^= generator;
    });
  }
  return check;
}

function expanded(prefix: string): number[] {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

/** The text of 20 bytes. */
export function addressText(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) throw new RangeError(`an address has ${ADDRESS_BYTES} bytes, not ${bytes.length}`);
  // 160 bits are 32 digits of 5 bits, with none left over.
  let bits = bytes.reduce((all, byte) => (all << 8n) | BigInt(byte), 0n);
  const values: number[] = [];
  for (let i = 0; i < 32; i += 1) {
    values.unshift(Number(bits & 31n));
    bits >>= 5n;
  }
  const check = checksum([...expanded(PREFIX), ...values, 0, 0, 0, 0, 0, 0]) ^ CHECK;
  for (let i = 5; i >= 0; i -= 1) values.push((check >>> (5 * i)) & 31);
  return `${PREFIX}1${values.map((value) => DIGITS[value]).join("")}`;
}

/** The 20 bytes of an address; refuses one with a slip in it. */
export function addressBytes(text: Address): Uint8Array {
  const fault = (why: string) => new RangeError(`${JSON.stringify(text)} is no address: ${why}`);
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) throw fault("it mixes capitals and small letters");
  const lower = text.toLowerCase();
  if (!lower.startsWith(`${PREFIX}1`) || lower.length !== 41) {
    throw fault(`an address is ${PREFIX}1 and 38 more characters`);
  }
  const values = Array.from(lower.slice(PREFIX.length + 1), (character) => DIGITS.indexOf(character));
  if (values.includes(-1)) throw fault("a character in it is none of bech32");
  if (checksum([...expanded(PREFIX), ...values]) !== CHECK) throw fault("its checksum is wrong");
  let bits = values.slice(0, 32).reduce((all, value) => (all << 5n) | BigInt(value), 0n);
  const bytes = new Uint8Array(ADDRESS_BYTES);
  for (let i = ADDRESS_BYTES - 1; i >= 0; i -= 1) {
    bytes[i] = Number(bits & 255n);
    bits >>= 8n;
  }
  return bytes;
}

/** The account of one public key. */
export function addressOfKey(publicKey: Uint8Array): Address {
  return addressText(sha256(publicKey).slice(0, ADDRESS_BYTES));
}

/** A policy's bytes, after a look at whether the ledger would take it. */
export function writePolicy(writer: Writer, { threshold, keys }: Policy): void {
  const bytes = keys.map(fromHex);
  for (const [i, key] of bytes.entries()) {
    const before = bytes[i - 1];
    if (key.length !== 32) throw new RangeError(`keys: one of ${key.length} bytes, not 32`);
    if (before !== undefined && compareBytes(before, key) >= 0) throw new RangeError("keys must ascend, and none come twice");
  }
  if (threshold < 1 || threshold > keys.length) {
    throw new RangeError(`threshold: ${threshold} of ${keys.length} keys`);
  }
  writer.u8(threshold, "threshold").list(bytes, 1, 16, "keys", (key) => writer.raw(key));
}

/** The account of several keys. It is registered nowhere. */
export function addressOfPolicy(policy: Policy): Address {
  const writer = new Writer().raw(new TextEncoder().encode("ALTHING/MULTISIG"));
  writePolicy(writer, policy);
  return addressText(sha256(writer.bytes()).slice(0, ADDRESS_BYTES));
}
