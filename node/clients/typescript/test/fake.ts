/** A node that says what a test wants. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Asked {
  method: string;
  params: Record<string, unknown>;
  authorization: string | undefined;
  at: number;
}

/** A result, or an error object. `undefined` hangs up without an answer. */
export type Reply = { result: unknown } | { error: { code: number; message: string; data: unknown; retry_after_ms?: number } } | undefined;

/** Serves until the test ends. What it was asked, in order. */
export async function fakeNode(test: TestContext, reply: (asked: Asked, number: number) => Reply): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { id, method, params } = JSON.parse(Buffer.concat(parts).toString()) as { id: number } & Pick<Asked, "method" | "params">;
      const one = { method, params, authorization: request.headers.authorization, at: performance.now() };
      asked.push(one);
      const said = reply(one, asked.length);
      if (said === undefined) request.socket.destroy();
      else response.setHeader("content-type", "application/json").end(JSON.stringify({ jsonrpc: "2.0", id, ...said }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
