/** What passes by itself: the same request, or the same transaction, may succeed a moment later. `docs/codes.md` lists it; a test compares. */

/** Codes of error objects. */
export const PASSING_ERRORS: readonly number[] = [-32004];

/** Codes with which a transaction is refused at admission. */
export const PASSING_REFUSALS: Readonly<Record<string, readonly number[]>> = {
  ledger: [14, 15],
  abci: [1],
  mempool: [3, 4, 5, 8, 9, 11],
  rpc: [2],
};

/** Whether the same bytes may be taken a moment later. */
export function refusalPasses(codespace: string, code: number): boolean {
  return PASSING_REFUSALS[codespace]?.includes(code) ?? false;
}
