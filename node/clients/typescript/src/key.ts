/** Keys of accounts: Ed25519 as in RFC 8032. */

import { ed25519 } from "@noble/curves/ed25519.js";

import { type Address, addressOfKey } from "./address.js";
import { fromHex, toHex } from "./bytes.js";

/** A secret key, which signs for its account. */
export class AccountKey {
  readonly #seed: Uint8Array;
  /** The public key. */
  readonly publicKey: Uint8Array;
  /** The account of this key alone. */
  readonly address: Address;

  private constructor(seed: Uint8Array) {
    if (seed.length !== 32) throw new RangeError(`a secret key has 32 bytes, not ${seed.length}`);
    this.#seed = Uint8Array.from(seed);
    this.publicKey = ed25519.getPublicKey(this.#seed);
    this.address = addressOfKey(this.publicKey);
  }

  /** A new key from the system's randomness. */
  static generate(): AccountKey {
    return new AccountKey(crypto.getRandomValues(new Uint8Array(32)));
  }

  /** The key of a secret seed of 32 bytes, or 64 hexadecimal digits. */
  static fromSeed(seed: Uint8Array | string): AccountKey {
    return new AccountKey(typeof seed === "string" ? fromHex(seed) : seed);
  }

  /**
   * The key of a key file's text, as `althing keys generate --kind account` and `althing testnet` write it. Only of one without
   * passphrase: in a program a locked file would need its passphrase beside it.
   */
  static fromKeyFile(text: string): AccountKey {
    const file: unknown = JSON.parse(text);
    if (typeof file !== "object" || file === null) throw new TypeError("not a key file");
    const { version, kind, public_key, encryption, secret } = file as Record<string, unknown>;
    if (version !== 1 || kind !== "account" || typeof secret !== "string") {
      throw new TypeError(`not an account's key file of version 1: version ${String(version)}, kind ${String(kind)}`);
    }
    if (encryption !== "none") throw new TypeError("the key file has a passphrase; use one without, or sign with `althing tx sign`");
    const key = AccountKey.fromSeed(secret);
    if (toHex(key.publicKey) !== public_key) throw new TypeError("the key file's secret is not that of its public key");
    return key;
  }

  /** Its signature of a message. */
  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.#seed);
  }

  /** Shows the account, never the secret. */
  toJSON(): { address: Address } {
    return { address: this.address };
  }
}
