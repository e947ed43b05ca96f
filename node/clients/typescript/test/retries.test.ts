/** What a client repeats, what not, and what it says of it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, NoAnswer, Refused, RpcError, Undecided, attribute, attributes, transactionHash } from "../src/index.js";
import { type Reply, fakeNode } from "./fake.js";

const tx = new Uint8Array([1, 2, 3]);
const hash = transactionHash(tx);
const verdict = (code: number, codespace = "", log = ""): Reply => ({ result: { code, codespace, log, data: "", hash: hash.toUpperCase() } });
const busy = (retry_after_ms: number): Reply => ({ error: { code: -32004, message: "Busy", data: "too much", retry_after_ms } });
const fate = (status: string, final: boolean, more: object = {}): Reply => ({ result: { hash: hash.toUpperCase(), status, final, ...more } });

test("a busy node is asked again when it says, and not before", async (t) => {
  const node = await fakeNode(t, (_, number) => (number === 1 ? busy(300) : verdict(0)));
  const submitted = await new Client(node.url).submit(tx);
  assert.deepEqual([submitted.code, submitted.certain, submitted.hash], [0, true, hash]);
  const [first, second] = node.asked;
  assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 295);
  assert.deepEqual(first?.params, second?.params, "the same bytes");
});

test("no answer: the next node gets the same bytes, and a refusal is uncertain then", async (t) => {
  const deaf = await fakeNode(t, () => undefined);
  const node = await fakeNode(t, () => verdict(12, "ledger", "not enough"));
  const submitted = await new Client([deaf.url, node.url]).submit(tx);
  assert.deepEqual([submitted.code, submitted.certain], [12, false]);
  assert.deepEqual(deaf.asked[0]?.params, node.asked[0]?.params);
});

test("a refusal that passes is tried again, any other is the answer", async (t) => {
  const node = await fakeNode(t, (_, number) => (number === 1 ? verdict(4, "mempool", "full") : verdict(7, "mempool", "used")));
  assert.equal((await new Client(node.url).submit(tx)).code, 7);
  assert.equal(node.asked.length, 2);
  await assert.rejects(new Client(node.url).submitAndWait(tx), Refused);
});

test("an error that does not pass is thrown at once", async (t) => {
  const node = await fakeNode(t, () => ({ error: { code: -32001, message: "Unauthorized", data: "submit" } }));
  await assert.rejects(new Client({ url: node.url, key: "word" }).submit(tx), (error) => error instanceof RpcError && error.code === -32001);
  assert.equal(node.asked.length, 1);
  assert.equal(node.asked[0]?.authorization, "Bearer word");
});

test("an error after silence says nothing of what was handed in before", async (t) => {
  const none: Reply = { error: { code: -32001, message: "Unauthorized", data: "submit" } };
  const failing: Reply = { error: { code: -32603, message: "Internal error", data: "the journal is broken" } };
  for (const replies of [[undefined, none], [failing, none], [undefined, busy(60_000)], [verdict(2, "rpc", "stopping"), none]]) {
    const node = await fakeNode(t, (_, number) => replies[number - 1]);
    await assert.rejects(new Client(node.url).submitAndWait(tx, 1_000), (error) => error instanceof Undecided && error.hash === hash);
    assert.equal(node.asked.length, 2);
  }
});

test("the time to try is bounded", async (t) => {
  const node = await fakeNode(t, () => undefined);
  await assert.rejects(new Client(node.url, { patienceMs: 300 }).submit(tx), NoAnswer);
  assert.ok(node.asked.length >= 2);
});

test("waiting goes on over a node that is gone, to the end", async (t) => {
  const replies = [fate("pending", false), undefined, fate("pending", false), fate("committed", true, { height: "7" })];
  const node = await fakeNode(t, (_, number) => replies[number - 1]);
  const found = await new Client(node.url).wait(hash);
  assert.deepEqual([found.status, found.height, found.final], ["committed", 7n, true]);
  assert.ok(node.asked.every(({ method, params }) => method === "althing_tx_wait" && params["hash"] === hash));
});

test("a node that cannot answer for what was handed in is no verdict: the next one is asked", async (t) => {
  const failing = (data: string): Reply => ({ error: { code: -32603, message: "Internal error", data } });
  const one = await fakeNode(t, ({ method }) => (method === "broadcast_tx_sync" ? verdict(0) : failing("the node is stopping")));
  const other = await fakeNode(t, () => fate("committed", true, { height: "7" }));
  assert.equal((await new Client([one.url, other.url]).submitAndWait(tx)).height, 7n);
  assert.deepEqual([one.asked.length, other.asked.length], [2, 1]);
  await assert.rejects(new Client(one.url).submitAndWait(tx, 300), (error) => error instanceof Undecided && error.cause instanceof RpcError);
});

test("what a node lost sight of is handed in again: the same bytes", async (t) => {
  const replies = [verdict(0), fate("evicted", false, { reason: "full" }), verdict(0), fate("failed", true, { height: "9", code: 12, codespace: "ledger" })];
  const node = await fakeNode(t, (_, number) => replies[number - 1]);
  const found = await new Client(node.url).submitAndWait(tx);
  assert.deepEqual([found.status, found.code], ["failed", 12]);
  assert.deepEqual(node.asked[0], { ...node.asked[2], at: node.asked[0]?.at });
});

test("what is open when the time is over is said to be open", async (t) => {
  const node = await fakeNode(t, ({ method }) => (method === "broadcast_tx_sync" ? verdict(0) : fate("unknown", false)));
  await assert.rejects(new Client(node.url).submitAndWait(tx, 300), (error) => {
    return error instanceof Undecided && error.hash === hash && error.fate?.status === "unknown";
  });
});

test("a stream of events goes on behind the last one", async (t) => {
  const pairs = [{ key: "member", value: "a" }, { key: "amount", value: "1" }, { key: "member", value: "b" }];
  const event = (cursor: string) => ({ cursor, height: "5", tx_index: 0, hash: "AB", type: "transfer", attributes: pairs.map((pair) => ({ ...pair, index: true })) });
  // One that took the place of another, and has not executed as much.
  const behind: Reply = { error: { code: -32603, message: "Internal error", data: "cursor b must be less than or equal to the newest" } };
  const replies: Reply[] = [{ result: { cursor: "b", events: [event("a"), event("b")] } }, undefined, busy(1), behind, { result: { cursor: "c", events: [event("c")] } }];
  const node = await fakeNode(t, (_, number) => replies[number - 1]);
  const seen: string[] = [];
  for await (const event of new Client(node.url).events({ cursor: "0", query: "q" })) {
    const { cursor, height } = event;
    seen.push(cursor);
    assert.deepEqual([height, event.attributes], [5n, pairs]);
    assert.deepEqual([attribute(event, "amount"), attribute(event, "other")], ["1", undefined]);
    assert.deepEqual([attributes(event, "member"), attributes(event, "other")], [["a", "b"], []]);
    if (cursor === "c") break;
  }
  assert.deepEqual(seen, ["a", "b", "c"]);
  assert.deepEqual(node.asked.map(({ params }) => params["cursor"]), ["0", "b", "b", "b", "b"]);
});

test("a stream begins where it was opened, whatever happens before the first event", async (t) => {
  const event = { cursor: "c", height: "5", type: "transfer", attributes: [] };
  const replies: Reply[] = [{ result: { cursor: "a", events: [] } }, undefined, { result: { cursor: "c", events: [event] } }];
  const node = await fakeNode(t, () => replies.shift());
  assert.equal((await new Client(node.url).events().next()).value?.cursor, "c");
  assert.deepEqual(node.asked.map(({ params }) => [params["cursor"], params["wait_ms"]]), [[undefined, 0], ["a", 20_000], ["a", 20_000]]);
});

test("a stream ends when it is told to", async (t) => {
  const stop = new AbortController();
  const node = await fakeNode(t, () => {
    setImmediate(() => stop.abort());
    return { result: { cursor: "a", events: [] } };
  });
  const stream = new Client(node.url).events({ signal: stop.signal });
  await assert.rejects(stream.next(), { name: "AbortError" });
});
