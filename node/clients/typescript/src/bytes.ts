/** Bytes as the ledger writes them: little-endian integers, and lists and strings after their length as `u32`. */

/** An unsigned integer. As JSON has no large ones, the node writes them as text. */
export type Integer = bigint | number | string;

/** The integer as it counts; refuses what is none, or a number that cannot be exact. */
export function integer(value: Integer, what: string): bigint {
  const fault = () => new RangeError(`${what}: ${String(value)} is no whole number from 0 on`);
  if (typeof value === "number" ? !Number.isSafeInteger(value) : typeof value === "string" && !/^[0-9]+$/.test(value)) {
    throw fault();
  }
  const counted = BigInt(value);
  if (counted < 0n) throw fault();
  return counted;
}

/** Bytes as lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes that hexadecimal digits stand for. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new RangeError(`not hexadecimal digits: ${text.slice(0, 80)}`);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The bytes that base64 stands for. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Which of two byte strings comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Writes one value after another. */
export class Writer {
  readonly #parts: number[] = [];

  /** An integer of so many bytes. */
  uint(bytes: number, value: Integer, what: string): this {
    let rest = integer(value, what);
    if (rest >= 1n << BigInt(8 * bytes)) throw new RangeError(`${what}: ${rest} has more than ${8 * bytes} bits`);
    for (let i = 0; i < bytes; i += 1) {
      this.#parts.push(Number(rest & 255n));
      rest >>= 8n;
    }
    return this;
  }

  u8(value: Integer, what: string): this {
    return this.uint(1, value, what);
  }

  u32(value: Integer, what: string): this {
    return this.uint(4, value, what);
  }

  u64(value: Integer, what: string): this {
    return this.uint(8, value, what);
  }

  u128(value: Integer, what: string): this {
    return this.uint(16, value, what);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.#parts.push(byte);
    return this;
  }

  /** So many bytes, from hexadecimal digits. */
  fixed(digits: string, length: number, what: string): this {
    const bytes = fromHex(digits);
    if (bytes.length !== length) throw new RangeError(`${what}: ${bytes.length} bytes, not ${length}`);
    return this.raw(bytes);
  }

  /** UTF-8 after its length. */
  text(text: string, most: number, what: string): this {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > most) throw new RangeError(`${what}: ${bytes.length} bytes, at most ${most} are taken`);
    return this.u32(bytes.length, what).raw(bytes);
  }

  /** How many, then each. */
  list<T>(items: readonly T[], least: number, most: number, what: string, write: (item: T) => void): this {
    if (items.length < least || items.length > most) {
      throw new RangeError(`${what}: ${items.length}, ${least} to ${most} are taken`);
    }
    this.u32(items.length, what);
    items.forEach((item) => write(item));
    return this;
  }

  /** All that was written. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}
