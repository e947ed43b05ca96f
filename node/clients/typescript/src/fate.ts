/** What becomes of a transaction. */

/** Where a transaction stands. `committed` and `failed` are in a block; `expired` and `evicted` were taken and are in none. */
export type Status = "unknown" | "pending" | "committed" | "failed" | "expired" | "evicted";

/** What a node knows of a transaction. */
export interface Fate {
  hash: string;
  status: Status;
  /**
   * Whether that can never change: false also for one that this node has dropped, while another may still have it, and for one that
   * failed in a block without using its sequence: a faulty leader could put it into another.
   */
  final: boolean;
  /** The block that holds it. */
  height?: bigint;
  /** Why it failed, expired or was evicted. */
  reason?: string;
  code: number;
  codespace: string;
}

/** A fate from a node's answer. */
export function fateOf(answer: unknown): Fate {
  const { hash, status, final, height, reason, code, codespace } = answer as Record<string, unknown>;
  const fate: Fate = {
    hash: String(hash).toLowerCase(),
    status: String(status) as Status,
    final: final === true,
    code: Number(code ?? 0),
    codespace: String(codespace ?? ""),
  };
  if (height !== undefined && height !== null && String(height) !== "0") fate.height = BigInt(String(height));
  if (typeof reason === "string" && reason !== "") fate.reason = reason;
  return fate;
}
