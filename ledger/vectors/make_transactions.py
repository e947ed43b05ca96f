"""Makes transactions.json. Shares no code with the ledger: written from docs/transactions.md alone.

    python3 ledger/vectors/make_transactions.py > ledger/vectors/transactions.json

Needs the package `cryptography`.
"""

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def u8(n): return n.to_bytes(1, "little")
def u16(n): return n.to_bytes(2, "little")
def u32(n): return n.to_bytes(4, "little")
def u64(n): return n.to_bytes(8, "little")
def u128(n): return n.to_bytes(16, "little")
def string(text): return u32(len(text.encode())) + text.encode()
def symbol(text): return u8(len(text)) + text.encode()
def sha256(data): return hashlib.sha256(data).digest()


# --- addresses -----------------------------------------------------------------------------------------------------

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> i & 1 else 0
    return check


def text_of(address):
    """Bech32m, BIP-350."""
    bits = int.from_bytes(address, "big")
    data = [bits >> 5 * i & 31 for i in reversed(range(32))]
    prefix = [ord(c) >> 5 for c in "al"] + [0] + [ord(c) & 31 for c in "al"]
    check = polymod(prefix + data + [0] * 6) ^ 0x2BC830A3
    return "al1" + "".join(CHARSET[v] for v in data + [check >> 5 * (5 - i) & 31 for i in range(6)])


class Key:
    def __init__(self, seed):
        self.seed = seed
        self.secret = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.address = sha256(self.public)[:20]

    def approve(self, message):
        signature = self.secret.sign(message)
        return u8(0) + self.public + signature, {"key": {"key": self.public.hex(), "signature": signature.hex()}}


class Shared:
    """An account of several keys, of which these sign."""

    def __init__(self, threshold, keys, signers):
        self.threshold, self.keys, self.signers = threshold, sorted(keys, key=lambda key: key.public), signers
        self.policy = u8(threshold) + u32(len(keys)) + b"".join(key.public for key in self.keys)
        self.address = sha256(b"ALTHING/MULTISIG" + self.policy)[:20]

    def approve(self, message):
        signed = [(i, key.secret.sign(message)) for i, key in enumerate(self.keys) if key in self.signers]
        shown = {
            "policy": {"threshold": self.threshold, "keys": [key.public.hex() for key in self.keys]},
            "signatures": [[i, signature.hex()] for i, signature in signed],
        }
        listed = u32(len(signed)) + b"".join(u8(i) + signature for i, signature in signed)
        return u8(1) + self.policy + listed, {"multi": shown}


# --- instructions: bytes, and the same as JSON ---------------------------------------------------------------------

ROLES = ["administrator", "issuer", "member", "submitter"]


def moved(kind, name, asset, source, to, amount):
    return (u8(kind) + symbol(asset) + source.address + to.address + u128(amount),
            {name: {"asset": asset, "from": text_of(source.address), "to": text_of(to.address), "amount": str(amount)}})


def transfer(asset, source, to, amount):
    return moved(0, "transfer", asset, source, to, amount)


def create_asset(name, decimals, cap, metadata):
    return (u8(1) + symbol(name) + u8(decimals) + u128(cap) + string(metadata),
            {"create_asset": {"symbol": name, "decimals": decimals, "cap": str(cap), "metadata": metadata}})


def set_metadata(asset, metadata):
    return u8(2) + symbol(asset) + string(metadata), {"set_metadata": {"asset": asset, "metadata": metadata}}


def issue(asset, to, amount):
    return (u8(3) + symbol(asset) + to.address + u128(amount),
            {"issue": {"asset": asset, "to": text_of(to.address), "amount": str(amount)}})


def burn(asset, source, amount):
    return (u8(4) + symbol(asset) + source.address + u128(amount),
            {"burn": {"asset": asset, "from": text_of(source.address), "amount": str(amount)}})


def of_account(kind, name, field, asset, account):
    return u8(kind) + symbol(asset) + account.address, {name: {"asset": asset, field: text_of(account.address)}}


def lock(asset, source, to, amount, digest, refund_height):
    data, shown = moved(8, "lock", asset, source, to, amount)
    shown["lock"].update(hash=digest.hex(), refund_height=str(refund_height))
    return data + digest + u64(refund_height), shown


def lock_id(sender, sequence, index):
    return sender.address + sequence.to_bytes(8, "big") + u8(index)


def claim(name, preimage):
    return u8(9) + name + preimage, {"claim": {"lock": name.hex(), "preimage": preimage.hex()}}


def refund(name):
    return u8(10) + name, {"refund": {"lock": name.hex()}}


def of_role(kind, name, role, account):
    return (u8(kind) + u8(ROLES.index(role)) + account.address,
            {name: {"role": role, "account": text_of(account.address)}})


def propose(change):
    data, shown = change
    return u8(13) + data, {"propose": {"change": shown}}


def threshold(approvals):
    return u8(2) + u16(approvals), {"threshold": {"approvals": approvals}}


PARAMETERS = ["max_block_bytes", "max_block_txs", "max_tx_bytes", "max_unexecuted_blocks", "timeout_min_ms",
              "timeout_base_max_ms", "timeout_max_ms", "repeat_interval_ms", "heartbeat_ms", "max_time_ahead_ms"]


def validators(*changes):
    return (u8(3) + u32(len(changes)) + b"".join(data for data, _ in changes),
            {"validators": {"changes": [shown for _, shown in changes]}})


def vote_key(n):
    """Bytes in the place of a key and its proof; whether they are some shows only in a state."""
    key, proof = bytes([n] * 48), bytes([n + 1] * 96)
    return key + proof, {"key": key.hex(), "proof": proof.hex()}


def add_validator(identity, n, power, name, account):
    data, shown = vote_key(n)
    return (u8(0) + identity.public + data + u64(power) + string(name) + account.address,
            {"add": {"identity": identity.public.hex(), "vote_key": shown, "power": str(power), "name": name,
                     "account": text_of(account.address)}})


def remove_validator(identity):
    return u8(1) + identity.public, {"remove": {"identity": identity.public.hex()}}


def set_power(identity, power):
    return u8(2) + identity.public + u64(power), {"power": {"identity": identity.public.hex(), "power": str(power)}}


def set_vote_key(identity, n):
    data, shown = vote_key(n)
    return u8(3) + identity.public + data, {"vote_key": {"identity": identity.public.hex(), "vote_key": shown}}


def set_identity(identity, to):
    return (u8(4) + identity.public + to.public,
            {"identity": {"identity": identity.public.hex(), "to": to.public.hex()}})


def set_account(identity, account):
    return (u8(5) + identity.public + account.address,
            {"account": {"identity": identity.public.hex(), "account": text_of(account.address)}})


def set_parameter(name, value):
    return (u8(6) + u8(PARAMETERS.index(name)) + u64(value),
            {"parameter": {"parameter": name, "value": str(value)}})


def reinstate(identity):
    return u8(7) + identity.public, {"reinstate": {"identity": identity.public.hex()}}


def of_proposal(kind, name, number):
    return u8(kind) + u64(number), {name: {"proposal": str(number)}}


# --- transactions --------------------------------------------------------------------------------------------------

TAG = b"ALTHING/TX"


def unsigned(sender, instructions, chain_id="althing-example", sequence=0, expiry=0, key=None, memo="", version=2):
    optional = u8(0) if key is None else u8(1) + u32(len(key)) + key
    listed = u32(len(instructions)) + b"".join(data for data, _ in instructions)
    return (u8(version) + string(chain_id) + sender.address + u64(sequence) + u64(expiry) + optional + listed
            + (memo if isinstance(memo, bytes) else string(memo)))


def with_approvals(body, approvals):
    return body + u32(len(approvals)) + b"".join(approvals)


def transaction(sender, instructions, others=(), tag=TAG, **rest):
    body = unsigned(sender, instructions, **rest)
    approvers = sorted([sender, *others], key=lambda one: one.address)
    return with_approvals(body, [one.approve(tag + body)[0] for one in approvers])


def vector(name, sender, instructions, others=(), **rest):
    body = unsigned(sender, instructions, **rest)
    approvers = sorted([sender, *others], key=lambda one: one.address)
    approvals = [one.approve(TAG + body) for one in approvers]
    data = with_approvals(body, [encoded for encoded, _ in approvals])
    key = rest.get("key")
    seeds = {key.public.hex(): key.seed.hex() for one in approvers for key in getattr(one, "signers", [one])}
    return {
        "name": name,
        "seeds": seeds,
        "fields": {
            "chain_id": rest.get("chain_id", "althing-example"),
            "sender": text_of(sender.address),
            "sequence": str(rest.get("sequence", 0)),
            "expiry_height": str(rest.get("expiry", 0)),
            "idempotency_key": None if key is None else key.hex(),
            "instructions": [shown for _, shown in instructions],
            "memo": rest.get("memo", ""),
            "approvals": [shown for _, shown in approvals],
        },
        "sign_bytes": (TAG + body).hex(),
        "transaction": data.hex(),
        "hash": sha256(data).hex(),
    }


alice = Key(bytes([1] * 32))
bob = Key(bytes(range(32)))
carol = Key(bytes([3] * 32))
shared = Shared(2, [alice, bob, carol], [bob, carol])
preimage = bytes(range(100, 132))
largest = 2**64 - 1

VALID = [
    vector("one transfer", alice, [transfer("COIN", alice, bob, 5)]),
    vector("expiry, idempotency key, memo in UTF-8, largest amount", bob,
           [transfer("A", bob, alice, 2**128 - 1)], chain_id="c", sequence=7, expiry=1000, key=b"order 42",
           memo="Þingvellir, invoice 42"),
    vector("assets", alice, [
        create_asset("EUR-2.0", 38, 2**128 - 1, "Ævi"), set_metadata("EUR-2.0", ""), issue("EUR-2.0", bob, 100),
        burn("EUR-2.0", alice, 1), of_account(5, "freeze", "account", "EUR-2.0", bob),
        of_account(6, "unfreeze", "account", "EUR-2.0", bob), of_account(7, "hand_over", "to", "EUR-2.0", carol)]),
    vector("locks", alice, [
        lock("COIN", alice, bob, 10, sha256(preimage), 99), claim(lock_id(alice, 0, 0), preimage),
        refund(lock_id(bob, largest, 15))], key=bytes(32)),
    vector("roles and proposals", alice, [
        of_role(11, "grant", "submitter", bob), of_role(12, "revoke", "submitter", bob),
        propose(of_role(0, "grant", "issuer", bob)), propose(of_role(1, "revoke", "member", carol)),
        propose(threshold(300)), of_proposal(14, "approve", 1), of_proposal(15, "withdraw", largest)]),
    vector("validators and consensus parameters", alice, [
        propose(validators(
            add_validator(bob, 7, largest, "Þing", carol), remove_validator(alice), set_power(carol, 3),
            set_vote_key(carol, 9), set_identity(carol, alice), set_account(bob, alice))),
        propose(validators(*[set_parameter(name, i) for i, name in enumerate(PARAMETERS)]))]),
    vector("a validator reinstated", alice, [propose(validators(reinstate(bob)))]),
    vector("several accounts debited, one of several keys", alice, [
        transfer("COIN", bob, alice, 1), transfer("COIN", shared, alice, 2), transfer("EUR", bob, shared, 3)],
        others=[bob, shared]),
    vector("16 instructions, largest numbers, sent by an account of several keys", shared,
           [transfer("ABCDEFGHIJKLMNOP", shared, bob, i + 1) for i in range(16)], chain_id="a" * 50,
           sequence=largest, expiry=largest, memo="x" * 256),
]


def invalid():
    pay = [transfer("COIN", alice, bob, 5)]
    good = transaction(alice, pay)
    body = unsigned(alice, pay)
    message = TAG + body
    by_alice, by_bob = alice.approve(message)[0], bob.approve(message)[0]
    by_two = Shared(2, [alice, bob, carol], [bob, carol])
    whole = [transfer("COIN", by_two, bob, 5)]
    multi = unsigned(by_two, whole)

    def signed_by(keys, indices, policy=by_two.policy):
        signatures = [u8(i) + key.secret.sign(TAG + multi) for i, key in zip(indices, keys)]
        return with_approvals(multi, [u8(1) + policy + u32(len(signatures)) + b"".join(signatures)])

    ordered = by_two.keys
    order = [0, 1]
    flipped = bytearray(good)
    flipped[-1] ^= 1
    changed = bytearray(good)
    changed[body.index(u128(5))] = 6
    many = [transfer("COIN", alice, bob, i + 1) for i in range(17)]
    bad_policy = lambda threshold, keys: shared_by(threshold, keys, alice)
    yield "no bytes", "malformed", b""
    yield "only a version", "malformed", u8(2)
    yield "version 1", "malformed", u8(1) + good[1:]
    yield "version 3", "malformed", u8(3) + good[1:]
    yield "one byte short", "malformed", good[:-1]
    yield "one byte too many", "malformed", good + b"\0"
    yield "unknown instruction 16", "malformed", transaction(alice, [(u8(16), None)])
    yield "unknown role 4", "malformed", transaction(alice, [(u8(11) + u8(4) + bob.address, None)])
    yield "unknown change 4", "malformed", transaction(alice, [(u8(13) + u8(4) + u16(1), None)])
    yield "unknown change of validators 8", "malformed", transaction(alice, [propose(validators((u8(8), None)))])
    yield "unknown parameter 10", "malformed", transaction(alice, [propose(validators((u8(6) + u8(10) + u64(1), None)))])
    yield "no changes of validators", "no_changes", transaction(alice, [propose(validators())])
    powers = [set_power(bob, i + 1) for i in range(17)]
    yield "17 changes of validators", "too_many_changes", transaction(alice, [propose(validators(*powers))])
    yield "power 0", "zero_power", transaction(alice, [propose(validators(set_power(bob, 0)))])
    named = add_validator(bob, 7, 1, "x" * 65, bob)
    yield "validator's name of 65 bytes", "name_too_long", transaction(alice, [propose(validators(named))])
    yield "unknown approval 2", "malformed", with_approvals(body, [u8(2) + by_alice[1:]])
    yield "optional key marked 2", "malformed", good.replace(u64(0) * 2 + u8(0), u64(0) * 2 + u8(2), 1)
    yield "symbol of 17 characters", "malformed", transaction(alice, [transfer("A" * 17, alice, bob, 5)])
    yield "instruction count past the bytes", "malformed", good.replace(u32(1) + pay[0][0], u32(2) + pay[0][0], 1)
    yield "memo is not UTF-8", "malformed", transaction(alice, pay, memo=u32(1) + b"\xff")
    yield "other chain", "wrong_chain", transaction(alice, pay, chain_id="another")
    yield "no instructions", "no_instructions", transaction(alice, [])
    yield "17 instructions", "too_many_instructions", transaction(alice, many)
    yield "memo of 257 bytes", "memo_too_long", transaction(alice, pay, memo="x" * 257)
    yield "idempotency key of no bytes", "bad_idempotency_key", transaction(alice, pay, key=b"")
    yield "idempotency key of 33 bytes", "bad_idempotency_key", transaction(alice, pay, key=bytes(33))
    yield "amount 0", "zero_amount", transaction(alice, [transfer("COIN", alice, bob, 0)])
    yield "empty symbol", "bad_symbol", transaction(alice, [transfer("", alice, bob, 5)])
    yield "symbol in small letters", "bad_symbol", transaction(alice, [transfer("coin", alice, bob, 5)])
    yield "symbol with a zero byte", "bad_symbol", transaction(alice, [transfer("A\0", alice, bob, 5)])
    yield "39 decimals", "too_many_decimals", transaction(alice, [create_asset("A", 39, 0, "")])
    yield "metadata of 257 bytes", "metadata_too_long", transaction(alice, [set_metadata("A", "x" * 257)])
    yield "grant of another role", "needs_proposal", transaction(alice, [of_role(11, "grant", "issuer", bob)])
    yield "threshold 0", "bad_threshold", transaction(alice, [propose(threshold(0))])
    yield "no approvals", "missing_approval", with_approvals(body, [])
    yield "approved by another", "missing_approval", with_approvals(body, [by_bob])
    yield "debited account has not approved", "missing_approval", transaction(alice, [transfer("COIN", bob, alice, 5)])
    yield "approved by one too many", "needless_approval", transaction(alice, pay, others=[bob])
    both = sorted([alice, bob], key=lambda one: one.address)
    pull = unsigned(alice, [transfer("COIN", bob, alice, 5)])
    backwards = [one.approve(TAG + pull)[0] for one in reversed(both)]
    yield "approvals the wrong way round", "approvals_unordered", with_approvals(pull, backwards)
    yield "the same approval twice", "approvals_unordered", with_approvals(body, [by_alice, by_alice])
    yield "policy with threshold 0", "bad_policy", bad_policy(0, [alice])
    yield "policy of 2 of 1", "bad_policy", bad_policy(2, [alice])
    yield "policy without keys", "bad_policy", bad_policy(0, [])
    yield "policy with a key twice", "bad_policy", bad_policy(1, [alice, alice])
    yield "policy with keys that descend", "bad_policy", bad_policy(1, list(reversed(ordered)))
    yield "policy of 17 keys", "bad_policy", bad_policy(1, sorted(
        (Key(bytes([40 + i] * 32)) for i in range(17)), key=lambda key: key.public))
    yield "one signature of two", "bad_signature_set", signed_by(ordered[:1], [0])
    yield "three signatures of two", "bad_signature_set", signed_by(ordered, [0, 1, 2])
    yield "signatures the wrong way round", "bad_signature_set", signed_by([ordered[1], ordered[0]], [1, 0])
    yield "one key signs twice", "bad_signature_set", signed_by([ordered[0]] * 2, [0, 0])
    yield "signature of a key that is not there", "bad_signature_set", signed_by(ordered[:2], [0, 3])
    yield "signature under another key's index", "bad_signature", signed_by([ordered[0], ordered[2]], order)
    yield "last bit of the signature flipped", "bad_signature", bytes(flipped)
    yield "signed without the tag", "bad_signature", transaction(alice, pay, tag=b"")
    yield "signed by another key", "bad_signature", with_approvals(body, [by_alice[:33] + by_bob[33:]])
    yield "amount changed after signing", "bad_signature", bytes(changed)


def shared_by(threshold, keys, to):
    """A transaction of an account whose policy is none; its signatures do not matter."""
    policy = u8(threshold) + u32(len(keys)) + b"".join(key.public for key in keys)

    class Account:
        address = sha256(b"ALTHING/MULTISIG" + policy)[:20]

    body = unsigned(Account, [transfer("COIN", Account, to, 5)])
    return with_approvals(body, [u8(1) + policy + u32(0)])


print(json.dumps({
    "about": "Transactions of the asset ledger, made by make_transactions.py: docs/transactions.md. Byte strings in hexadecimal.",
    "valid": VALID,
    "invalid": {
        "chain_id": "althing-example",
        "transactions": [{"name": name, "refusal": refusal, "transaction": data.hex()} for name, refusal, data in invalid()],
    },
}, indent=2, ensure_ascii=False))
