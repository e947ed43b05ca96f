/** Events of a chain, followed by cursor: after a cut the stream goes on behind the last event that was handed out. */

import { RpcError } from "./rpc.js";

/** A detail of an event. */
export interface Attribute {
  key: string;
  value: string;
}

/** One event. */
export interface ChainEvent {
  /** Where to go on behind this event: keep it with what the event led to. */
  cursor: string;
  height: bigint;
  /** Which transaction of the block it is of; none for one of the block itself. */
  txIndex?: number;
  /** The hash of that transaction. */
  hash?: string;
  type: string;
  /** The details, in order; a key may come more than once. {@link attribute} finds one. */
  attributes: Attribute[];
}

/** The values that an event has under a key, in order. */
export function attributes(event: ChainEvent, key: string): string[] {
  return event.attributes.filter((one) => one.key === key).map(({ value }) => value);
}

/** The first of them, if there is one. */
export function attribute(event: ChainEvent, key: string): string | undefined {
  return event.attributes.find((one) => one.key === key)?.value;
}

/** Which events to follow. */
export interface EventOptions {
  /** Begin behind this; without it, with the events to come. */
  cursor?: string;
  /** Only events that match, in CometBFT's query language: `transfer.sender = 'al1…'`. */
  query?: string;
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** Asks a node for the events behind a cursor. */
export type Ask = (params: object, waitMs: number, signal?: AbortSignal) => Promise<unknown>;

interface Page {
  cursor: string;
  events: { cursor: string; height: string; tx_index?: number | null; hash?: string | null; type: string; attributes: Attribute[] }[];
}

const WAIT_MS = 20_000;
const PAGE = 100;
/** How often a node is asked again that is not where the cursor is, as one may be that takes the place of another. */
const LOOKS_IF_BEHIND = 120;
const PAUSE_IF_BEHIND_MS = 500;

function isBehind(error: unknown): boolean {
  return error instanceof RpcError && error.code === -32603 && String(error.data).includes("must be less than or equal to");
}

/** One event after the other, for ever. */
export async function* follow(ask: Ask, { cursor, query, signal }: EventOptions): AsyncGenerator<ChainEvent, void, void> {
  let behind = 0;
  for (;;) {
    // Where the stream begins has to be known before anything cuts it off: another answer may begin later.
    const waitMs = cursor === undefined ? 0 : WAIT_MS;
    const params = { limit: PAGE, wait_ms: waitMs, ...(cursor === undefined ? {} : { cursor }), ...(query === undefined ? {} : { query }) };
    let page: Page;
    try {
      page = (await ask(params, waitMs, signal)) as Page;
      behind = 0;
    } catch (error) {
      if (!isBehind(error) || (behind += 1) > LOOKS_IF_BEHIND) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_IF_BEHIND_MS));
      signal?.throwIfAborted();
      continue;
    }
    for (const { height, tx_index, hash, type, attributes, cursor: after } of page.events) {
      yield {
        cursor: after,
        height: BigInt(height),
        ...(tx_index === undefined || tx_index === null ? {} : { txIndex: tx_index }),
        ...(hash === undefined || hash === null ? {} : { hash: hash.toLowerCase() }),
        type,
        attributes: attributes.map(({ key, value }) => ({ key, value })),
      };
    }
    cursor = page.cursor;
  }
}
