/** On a real testnet: four validators, each a process of its own. `ALTHING` names the program. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { type ChainEvent, AccountKey, Client, Refused, RpcError, Transaction, attribute, lockId, toHex } from "../src/index.js";

const program = process.env["ALTHING"] ?? assert.fail("ALTHING names the program `althing`");
const directory = mkdtempSync(join(tmpdir(), "althing-typescript-"));
const nodes: ChildProcess[] = [];
let urls: string[] = [];
let client: Client;
let chain_id: string;

/** A base such that the ports of four validators on it are free, below those that the system gives away. */
async function freeBase(): Promise<number> {
  for (let base = 20_000 + (process.pid % 100) * 50; base < 30_000; base += 50) {
    const ports = [0, 1, 2, 3].flatMap((i) => [base + 10 * i + 6, base + 10 * i + 7]);
    const free = await Promise.all(
      ports.map(async (port) => {
        const server = createServer();
        const bound = await new Promise<boolean>((resolve) => {
          server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
        });
        server.close();
        return bound;
      }),
    );
    if (free.every(Boolean)) return base;
  }
  return assert.fail("no free ports");
}

function start(index: number): ChildProcess {
  const args = ["start", "--stop-with-stdin", "--home", join(directory, `validator-${index}`)];
  return (nodes[index] = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"] }));
}

function account(index: number): AccountKey {
  return AccountKey.fromKeyFile(readFileSync(join(directory, "accounts", `${index}.key`), "utf8"));
}

async function transfer(from: AccountKey, to: AccountKey, amount: bigint, memo = ""): Promise<Transaction> {
  const { sequence } = await client.account(from.address);
  return Transaction.transfer(from, { chain_id, sequence, asset: "COIN", to: to.address, amount, memo });
}

before(async () => {
  const base = await freeBase();
  rmSync(directory, { recursive: true });
  const init = spawn(program, ["testnet", "init", "--dir", directory, "--base-port", String(base)], { stdio: "ignore" });
  assert.deepEqual(await once(init, "exit"), [0, null]);
  [0, 1, 2, 3].forEach(start);
  urls = [0, 1, 2, 3].map((i) => `http://127.0.0.1:${base + 10 * i + 7}`);
  client = new Client(urls, { patienceMs: 120_000 });
  chain_id = await client.chainId();
  // Genesis is in the state from the first block on.
  await client.account(account(0).address);
});

after(() => {
  nodes.forEach((node) => node.kill("SIGKILL"));
  rmSync(directory, { recursive: true, force: true });
});

test("a transfer is committed, and the same bytes again are the same transfer", async () => {
  const [from, to] = [account(0), account(1)];
  const had = await client.balance(to.address, "COIN");
  const bytes = (await transfer(from, to, 5n)).encode();
  const fate = await client.submitAndWait(bytes);
  assert.deepEqual([fate.status, fate.final], ["committed", true]);
  const again = await client.submitAndWait(bytes);
  assert.deepEqual([again.hash, again.height], [fate.hash, fate.height]);
  assert.equal(await client.balance(to.address, "COIN"), had + 5n);
  assert.deepEqual(await client.status(fate.hash), fate);
});

test("a refusal says why, and one who reads only is told so", async () => {
  const poor = AccountKey.generate();
  const payment = Transaction.transfer(poor, { chain_id, sequence: 0, asset: "COIN", to: poor.address, amount: 1 });
  await assert.rejects(client.submitAndWait(payment.encode()), (error) => {
    return error instanceof Refused && error.submitted.codespace === "ledger" && error.submitted.code === 12;
  });
  await assert.rejects(new Client({ url: urls[0] ?? "", key: "nobody's" }).status(payment.hash()), RpcError);
});

test("a lock is made and claimed", async () => {
  const [from, to] = [account(2), account(3)];
  const { sequence } = await client.account(from.address);
  const preimage = "64".repeat(32);
  const hash = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", Buffer.from(preimage, "hex"))));
  const lock = { asset: "COIN", from: from.address, to: to.address, amount: "7", hash, refund_height: 1_000_000 };
  const made = new Transaction({ chain_id, sender: from.address, sequence, instructions: [{ lock }] }).sign(from);
  assert.equal((await client.submitAndWait(made.encode())).status, "committed");
  const claim = { lock: lockId(from.address, sequence, 0), preimage };
  const had = await client.balance(to.address, "COIN");
  const taken = new Transaction({ chain_id, sender: from.address, sequence: sequence + 1n, instructions: [{ claim }] }).sign(from);
  assert.equal((await client.submitAndWait(taken.encode())).status, "committed");
  assert.equal(await client.balance(to.address, "COIN"), had + 7n);
});

test("an answer that is lost on the way costs nothing", async () => {
  const node = new URL(urls[1] ?? "");
  let cut = 0;
  // Passes requests on; the first answer does not come back.
  const proxy = createServer((near) => {
    const far = connect(Number(node.port), node.hostname);
    near.pipe(far).on("error", () => near.destroy());
    near.on("error", () => far.destroy());
    far.once("data", (data: Buffer) => {
      cut += 1;
      if (cut === 1) return void near.destroy();
      near.write(data);
      return far.pipe(near);
    });
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const over = new Client(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  const [from, to] = [account(4), account(5)];
  const had = await client.balance(to.address, "COIN");
  const fate = await over.submitAndWait((await transfer(from, to, 3n)).encode());
  proxy.close();
  assert.ok(cut >= 2);
  assert.equal(fate.status, "committed");
  assert.equal(await client.balance(to.address, "COIN"), had + 3n);
});

test("a node that is killed is no reason to wait, and events go on behind the cursor", async () => {
  const [from, to] = [account(6), account(7)];
  const query = `transfer.recipient = '${to.address}'`;
  const stop = new AbortController();
  const seen: ChainEvent[] = [];
  const hashes: string[] = [];
  const pay = async () => {
    const fate = await client.submitAndWait((await transfer(from, to, 1n, String(hashes.length))).encode());
    assert.equal(fate.status, "committed");
    hashes.push(fate.hash);
  };
  // The cursor in front of the first of them.
  const first = client.events({ query, signal: stop.signal });
  const next = first.next();
  await pay();
  const begun = (await next).value as ChainEvent;
  seen.push(begun);

  await pay();
  nodes[0]?.kill("SIGKILL");
  await pay();
  for await (const event of new Client([...urls].reverse()).events({ cursor: begun.cursor, query, signal: stop.signal })) {
    seen.push(event);
    if (seen.length === 3) break;
  }
  start(0);
  await pay();
  const last = seen.at(-1)?.cursor ?? "";
  const rest = new Client(urls, { patienceMs: 120_000 }).events({ cursor: last, query, signal: stop.signal });
  seen.push((await rest.next()).value as ChainEvent);
  stop.abort();
  assert.deepEqual(seen.map((event) => event.hash), hashes);
  assert.ok(seen.every((event) => event.type === "transfer" && attribute(event, "amount") === "1"));
});
