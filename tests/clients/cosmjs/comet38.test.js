/**
 * `Comet38Client`, as it is published, against four validators that are a process each. `ALTHING` names the program.
 *
 * The chain runs the key-value sample: its transactions are a few bytes, which anybody may make.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Comet38Client, connectComet } from "@cosmjs/tendermint-rpc";

const program = process.env.ALTHING ?? assert.fail("ALTHING names the program `althing`");
const directory = mkdtempSync(join(tmpdir(), "althing-cosmjs-"));
const nodes = [];
let address;
let http;
let websocket;

/** A base such that the ports of four validators on it are free, below those that the system gives away. */
async function freeBase() {
  for (let base = 20_000 + (process.pid % 100) * 50; base < 30_000; base += 50) {
    const ports = [0, 1, 2, 3].flatMap((i) => [base + 10 * i + 6, base + 10 * i + 7]);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
  return assert.fail("no free ports");
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Asks until there is an answer; the test's own time limit ends it. */
async function until(ask) {
  for (;;) {
    try {
      return await ask();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A transaction that sets a key: a version byte, then a number that makes it another one, key, kind and value. */
function set(key, value) {
  const bytes = (text) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  return Uint8Array.from(Buffer.concat([Buffer.of(1), randomBytes(8), bytes(key), Buffer.of(0), bytes(value)]));
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
const hex = (bytes) => Buffer.from(bytes).toString("hex").toUpperCase();

/** The first event of a stream that meets a condition. */
function first(stream, meets) {
  return new Promise((resolve, reject) => {
    const subscription = stream.subscribe({
      next: (event) => {
        if (!meets(event)) return;
        subscription.unsubscribe();
        resolve(event);
      },
      error: reject,
      complete: () => reject(new Error("the stream ended")),
    });
  });
}

before(async () => {
  const base = await freeBase();
  rmSync(directory, { recursive: true });
  const args = ["testnet", "init", "--app", "kv", "--dir", directory, "--base-port", String(base)];
  const [code] = await once(spawn(program, args, { stdio: "ignore" }), "exit");
  assert.equal(code, 0);
  for (const index of [0, 1, 2, 3]) {
    const start = ["start", "--stop-with-stdin", "--home", join(directory, `validator-${index}`)];
    nodes.push(spawn(program, start, { stdio: ["pipe", "ignore", "ignore"] }));
  }
  address = `127.0.0.1:${base + 7}`;
  http = await until(() => Comet38Client.connect(`http://${address}`));
  websocket = await Comet38Client.connect(`ws://${address}`);
  // This client stays silent for ever if it has nothing to say in the moment in which it is connected, whoever the server is.
  await websocket.health();
  const { response } = await until(async () => ({ response: await http.block() }));
  assert.ok(response.block.header.height >= 1);
});

after(() => {
  websocket?.disconnect();
  nodes.forEach((node) => node.kill("SIGKILL"));
  rmSync(directory, { recursive: true, force: true });
});

test("the client that asks for the version chooses this dialect", async () => {
  const client = await connectComet(`http://${address}`);
  assert.ok(client instanceof Comet38Client);
});

for (const [over, client] of [["HTTP", () => http], ["a WebSocket", () => websocket]]) {
  test(`every call works over ${over}`, async () => {
    const rpc = client();
    const status = await rpc.status();
    assert.match(status.nodeInfo.version, /^0\.38\./);
    assert.equal(status.syncInfo.catchingUp, false);
    assert.deepEqual(await rpc.health(), null);
    assert.equal((await rpc.abciInfo()).data, "kv");
    assert.equal((await rpc.genesis()).validators.length, 4);

    const key = `key-${over}`;
    const sync = await rpc.broadcastTxSync({ tx: set(`${key}-sync`, "1") });
    assert.equal(sync.code, 0);
    await rpc.broadcastTxAsync({ tx: set(`${key}-async`, "1") });
    await rpc.numUnconfirmedTxs();
    const tx = set(key, "value");
    const commit = await rpc.broadcastTxCommit({ tx });
    assert.equal(commit.checkTx.code, 0);
    assert.equal(commit.txResult.code, 0);
    assert.equal(hex(commit.hash), hex(sha256(tx)));

    const found = await rpc.tx({ hash: commit.hash, prove: true });
    assert.deepEqual([found.height, hex(found.tx), found.result.code], [commit.height, hex(tx), 0]);
    const search = await rpc.txSearch({ query: `tx.hash = '${hex(commit.hash)}'` });
    assert.deepEqual([search.totalCount, hex(search.txs[0].hash)], [1, hex(commit.hash)]);
    const byEvent = await rpc.txSearchAll({ query: `set.key = '${Buffer.from(key).toString("hex")}'` });
    assert.deepEqual([byEvent.totalCount, hex(byEvent.txs[0].hash)], [1, hex(commit.hash)]);

    const { block, blockId } = await rpc.block(commit.height);
    assert.ok(block.txs.some((one) => hex(one) === hex(tx)));
    const results = await rpc.blockResults(commit.height);
    assert.ok(results.results.every((result) => result.code === 0));
    const blocks = await rpc.blockSearch({ query: `block.height = ${commit.height}` });
    assert.deepEqual([blocks.totalCount, hex(blocks.blocks[0].blockId.hash)], [1, hex(blockId.hash)]);
    const { blockMetas, lastHeight } = await rpc.blockchain(1, commit.height);
    assert.ok(lastHeight >= commit.height && hex(blockMetas[0].blockId.hash) === hex(blockId.hash));
    const signed = await rpc.commit(commit.height);
    assert.equal(hex(signed.commit.blockId.hash), hex(blockId.hash));

    const validators = await rpc.validators({ height: commit.height });
    assert.deepEqual([validators.total, validators.validators.length], [4, 4]);
    assert.equal((await rpc.validatorsAll(commit.height)).total, 4);
    const answer = await rpc.abciQuery({ path: "get", data: Buffer.from(key) });
    assert.equal(JSON.parse(Buffer.from(answer.value).toString()), Buffer.from("value").toString("hex"));
  });
}

test("blocks and transactions are told to who subscribes", async () => {
  const tx = set("told", "value");
  const block = first(websocket.subscribeNewBlock(), (event) => event.txs.some((one) => hex(one) === hex(tx)));
  const header = first(websocket.subscribeNewBlockHeader(), () => true);
  const told = Buffer.from("told").toString("hex");
  const own = first(websocket.subscribeTx(`set.key = '${told}'`), () => true);
  // A connection's requests are begun in their order, and its subscriptions are there once this one is answered.
  await websocket.health();
  const commit = await websocket.broadcastTxCommit({ tx });
  assert.deepEqual([hex((await own).hash), (await own).height], [hex(commit.hash), commit.height]);
  assert.equal((await block).header.height, commit.height);
  assert.ok((await header).height <= commit.height + 2);
});
