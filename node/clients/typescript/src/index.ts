/** Builds, signs and submits transactions of an Althing ledger, waits for them and follows events. */

export * from "./address.js";
export * from "./bytes.js";
export * from "./instruction.js";
export * from "./key.js";
export * from "./transaction.js";
