/** JSON-RPC over HTTP: one request, one answer. */

import { PASSING_ERRORS } from "./passing.js";

/** Where a node is, and how it is asked. */
export interface Endpoint {
  /** `http://host:port` or `https://host:port`. */
  url: string;
  /** A bearer key to show. */
  key?: string;
}

/** A node's error object: it has read the request and does not carry it out. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  constructor(
    readonly node: string,
    readonly code: number,
    readonly reason: string,
    readonly data: unknown,
    /** After how many milliseconds to ask again, if the node says so. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(`${node}: ${reason}: ${typeof data === "string" ? data : JSON.stringify(data)} (code ${code})`);
  }

  /** Whether the same request may succeed a moment later. */
  get passes(): boolean {
    return PASSING_ERRORS.includes(this.code);
  }
}

/** No answer: the node may or may not have acted on the request. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";

  constructor(
    readonly node: string,
    cause: unknown,
  ) {
    super(`${node} did not answer: ${cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause)}`, {
      cause,
    });
  }
}

/** The result of a method; throws {@link RpcError} or {@link NoAnswer}. */
export async function call(endpoint: Endpoint, method: string, params: object, patienceMs: number, signal?: AbortSignal): Promise<unknown> {
  const { url, key } = endpoint;
  const patience = AbortSignal.timeout(patienceMs);
  let answer: { error?: { code?: unknown; message?: unknown; data?: unknown; retry_after_ms?: unknown } | null; result?: unknown };
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: signal === undefined ? patience : AbortSignal.any([patience, signal]),
    });
    answer = (await response.json()) as typeof answer;
  } catch (error) {
    signal?.throwIfAborted();
    throw new NoAnswer(url, error);
  }
  if (answer !== null && typeof answer === "object") {
    if (answer.error !== undefined && answer.error !== null) {
      const { code, message, data, retry_after_ms: after } = answer.error;
      throw new RpcError(url, Number(code), String(message), data, typeof after === "number" ? after : undefined);
    }
    if ("result" in answer) return answer.result;
  }
  throw new NoAnswer(url, new Error("what came is no JSON-RPC answer"));
}
