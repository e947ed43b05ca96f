/** Builds, signs and submits transactions of an Althing ledger, waits for them and follows events. */

export * from "./address.js";
export * from "./bytes.js";
export * from "./instruction.js";
export * from "./key.js";
export * from "./transaction.js";
export { Client, Refused, Undecided, type Account, type ClientOptions, type Submitted } from "./client.js";
export { attribute, attributes, type Attribute, type ChainEvent, type EventOptions } from "./events.js";
export type { Fate, Status } from "./fate.js";
export * from "./passing.js";
export { NoAnswer, RpcError, type Endpoint } from "./rpc.js";
