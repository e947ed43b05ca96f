/** A client of one or more nodes of a chain. What it repeats is safe to repeat: reads, and the same bytes of a transaction, which can only execute once. */

import { type Address } from "./address.js";
import { fromBase64, toBase64, toHex } from "./bytes.js";
import { type ChainEvent, type EventOptions, follow } from "./events.js";
import { type Fate, fateOf } from "./fate.js";
import { refusalPasses } from "./passing.js";
import { type Endpoint, NoAnswer, RpcError, call } from "./rpc.js";
import { transactionHash } from "./transaction.js";

/** How a client asks. */
export interface ClientOptions {
  /** How long one request may take, beyond what the node itself is asked to wait: 15 s unless given. */
  requestMs?: number;
  /** How long a read, a submission or a wait goes on trying in all: 60 s unless given. */
  patienceMs?: number;
}

/** What a node said of a submitted transaction. */
export interface Submitted {
  hash: string;
  /** 0 if it was taken, or was there before. */
  code: number;
  codespace: string;
  log: string;
  /** False if an earlier attempt got no answer: in spite of a refusal some node may have taken the transaction then. */
  certain: boolean;
}

/** A transaction was refused. */
export class Refused extends Error {
  override readonly name = "Refused";

  constructor(readonly submitted: Submitted) {
    super(`${submitted.hash} was refused: ${submitted.log} (code ${submitted.code}, codespace ${submitted.codespace})`);
  }
}

/** Nothing final was heard of a transaction in time: it may still be executed. Ask again with `wait`, and pay no second time before that. */
export class Undecided extends Error {
  override readonly name = "Undecided";

  constructor(
    readonly hash: string,
    readonly fate: Fate | undefined,
    options?: ErrorOptions,
  ) {
    super(`${hash} is ${fate?.status ?? "not known to be anywhere"}; it may still be executed`, options);
  }
}

/** An account of the ledger. */
export interface Account {
  address: Address;
  /** The sequence that its next transaction must have. */
  sequence: bigint;
  roles: string[];
}

/** The longest that a node is asked to wait at a time. */
const WAIT_MS = 30_000;
/** The code of a request that a node could read, and for which it has no answer. */
const INTERNAL = -32603;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** A client of the nodes named; it asks the next one when one does not answer. */
export class Client {
  readonly #endpoints: readonly Endpoint[];
  readonly #requestMs: number;
  readonly #patienceMs: number;
  #current = 0;

  constructor(nodes: string | Endpoint | readonly (string | Endpoint)[], options: ClientOptions = {}) {
    const list = Array.isArray(nodes) ? (nodes as readonly (string | Endpoint)[]) : [nodes as string | Endpoint];
    this.#endpoints = list.map((node) => (typeof node === "string" ? { url: node } : node));
    if (this.#endpoints.length === 0) throw new RangeError("a client needs a node to ask");
    this.#requestMs = options.requestMs ?? 15_000;
    this.#patienceMs = options.patienceMs ?? 60_000;
  }

  /** The result of a method that can be repeated: tried again, at the next node if one does not answer, while that may help. */
  async read(method: string, params: object = {}, options: { waitMs?: number; patienceMs?: number; signal?: AbortSignal } = {}): Promise<unknown> {
    const tries = new Tries(options.patienceMs ?? this.#patienceMs, options.signal);
    for (;;) {
      try {
        return await this.#ask(method, params, options.waitMs ?? 0, options.signal);
      } catch (error) {
        if (!(error instanceof NoAnswer || (error instanceof RpcError && error.passes))) throw error;
        await tries.pause(error);
      }
    }
  }

  /** The chain's id, which transactions carry. */
  async chainId(): Promise<string> {
    const status = (await this.read("status")) as { node_info: { network: string } };
    return status.node_info.network;
  }

  /** The ledger's answer to a query, such as `balance` with `{ asset, account }`. */
  async query(path: string, question: object, height: bigint | number = 0): Promise<unknown> {
    const data = toHex(new TextEncoder().encode(JSON.stringify(question)));
    const tries = new Tries(this.#patienceMs);
    for (;;) {
      const answer = await this.read("abci_query", { path, data, height: String(height), prove: false });
      const { code, codespace, log, value } = (answer as { response: { code: number; codespace: string; log: string; value: string | null } }).response;
      if (code === 0) return JSON.parse(new TextDecoder().decode(fromBase64(value ?? "")));
      const error = new Error(`${path}: ${log} (code ${code}, codespace ${codespace})`);
      if (!refusalPasses(codespace, code)) throw error;
      await tries.pause(error);
    }
  }

  /** An account; one that never sent has sequence 0. */
  async account(address: Address): Promise<Account> {
    const { sequence, roles } = (await this.query("account", { account: address })) as { sequence: string; roles: string[] };
    return { address, sequence: BigInt(sequence), roles };
  }

  /** What an account holds of an asset, in its smallest units. */
  async balance(account: Address, asset: string): Promise<bigint> {
    const { amount } = (await this.query("balance", { asset, account })) as { amount: string };
    return BigInt(amount);
  }

  /** Hands in a transaction until a node has said whether it takes it. A verdict that does not pass by itself is returned, good or bad; {@link Undecided} is thrown if there is none and one may have taken it. */
  async submit(bytes: Uint8Array): Promise<Submitted> {
    const tries = new Tries(this.#patienceMs);
    let certain = true;
    for (;;) {
      try {
        const answer = (await this.#ask("broadcast_tx_sync", { tx: toBase64(bytes) }, 0)) as { code: number; codespace: string; log: string };
        const { code, codespace, log } = answer;
        const submitted: Submitted = { hash: transactionHash(bytes), code, codespace, log, certain };
        if (!refusalPasses(codespace, code)) return submitted;
        // A node that is going down does not say whether it took it.
        if (codespace === "rpc" && code === 2) certain = false;
        if (!(await tries.pauseUnlessOver())) return { ...submitted, certain };
      } catch (error) {
        const unheard = error instanceof NoAnswer || (error instanceof RpcError && error.code === INTERNAL);
        if (unheard) certain = false;
        const again = unheard || (error instanceof RpcError && error.passes);
        if (again && (await tries.pauseUnlessOver(error))) continue;
        // An earlier attempt may have been taken, whatever this one was told.
        if (!certain && error instanceof RpcError) throw new Undecided(transactionHash(bytes), undefined, { cause: error });
        throw error;
      }
    }
  }

  /** What is known of a transaction now. */
  async status(hash: string): Promise<Fate> {
    return fateOf(await this.read("althing_tx_status", { hash }));
  }

  /** Waits until the transaction is in a block or can never be in one, through nodes that go and come; throws {@link Undecided} when the time is over. */
  async wait(hash: string, patienceMs = this.#patienceMs): Promise<Fate> {
    return this.#wait(hash, patienceMs, async () => {});
  }

  /**
   * Submits a transaction and waits for its end. The same bytes are handed in again when the node has lost sight of them. Throws
   * {@link Refused} if it was certainly never taken, {@link Undecided} if nothing final was heard in time.
   */
  async submitAndWait(bytes: Uint8Array, patienceMs = this.#patienceMs): Promise<Fate> {
    const submitted = await this.submit(bytes);
    if (submitted.code !== 0 && submitted.certain) throw new Refused(submitted);
    return this.#wait(submitted.hash, patienceMs, async () => {
      await this.submit(bytes);
    });
  }

  /** Follows events from a cursor on, without a gap, through nodes that go and come. */
  events(options: EventOptions = {}): AsyncGenerator<ChainEvent, void, void> {
    return follow(async (params, waitMs, signal) => {
      // Never over: who follows a chain waits for it.
      const endless = { waitMs, patienceMs: Infinity, ...(signal === undefined ? {} : { signal }) };
      return this.read("althing_events", params, endless);
    }, options);
  }

  async #wait(hash: string, patienceMs: number, lost: () => Promise<void>): Promise<Fate> {
    const tries = new Tries(patienceMs);
    let fate: Fate | undefined;
    let last: unknown;
    for (;;) {
      const waitMs = Math.max(1, Math.min(WAIT_MS, Math.floor(tries.leftMs)));
      const [asked, begun] = [this.#current, performance.now()];
      try {
        fate = fateOf(await this.#ask("althing_tx_wait", { hash, wait_ms: waitMs }, waitMs));
        // In a block, or never to be in one.
        if (fate.final || fate.height !== undefined) return fate;
        if (fate.status !== "pending") await lost();
        // It has waited as long as it was asked to; one that answers sooner, as it goes down, must not be asked without a pause.
        else if (performance.now() - begun >= waitMs / 2 && tries.leftMs > 0) continue;
      } catch (error) {
        // What was handed in before may be executed whatever a node that goes down, or cannot read its disk, has to say.
        const open = error instanceof NoAnswer || (error instanceof RpcError && (error.passes || error.code === INTERNAL));
        if (!open) throw error;
        last = error;
        this.#turn(asked);
      }
      if (!(await tries.pauseUnlessOver(last))) break;
    }
    throw new Undecided(hash, fate, { cause: last });
  }

  async #ask(method: string, params: object, waitMs: number, signal?: AbortSignal): Promise<unknown> {
    const asked = this.#current;
    try {
      return await call(this.#endpoints[asked] as Endpoint, method, params, this.#requestMs + waitMs, signal);
    } catch (error) {
      if (error instanceof NoAnswer) this.#turn(asked);
      throw error;
    }
  }

  /** The next node's turn, after the one that was asked; others may have moved on in the meantime. */
  #turn(asked: number): void {
    if (this.#current === asked) this.#current = (asked + 1) % this.#endpoints.length;
  }
}

/** Attempts with growing pauses, until the time is over. */
class Tries {
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(patienceMs: number, signal?: AbortSignal) {
    this.#end = performance.now() + patienceMs;
    this.#signal = signal;
  }

  get leftMs(): number {
    return this.#end - performance.now();
  }

  /** Waits before the next attempt; throws the error if there is no time for one. */
  async pause(error: unknown): Promise<void> {
    if (!(await this.pauseUnlessOver(error))) throw error;
  }

  /** The same; false if there is no time. */
  async pauseUnlessOver(error?: unknown): Promise<boolean> {
    // By chance a little more or less, so that those refused together do not come back together.
    const own = this.#pauseMs * (0.5 + Math.random());
    const pause = error instanceof RpcError ? Math.max(error.retryAfterMs ?? 0, own) : own;
    if (pause >= this.leftMs) return false;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    const signal = this.#signal;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, pause);
      signal?.addEventListener("abort", done);
    });
    signal?.throwIfAborted();
    return true;
  }
}
