#!/usr/bin/env python3
"""A durable key-value store behind ABCI 2.0, with nothing but Python 3: `kv.py ADDRESS [FILE]`.

ADDRESS is where it listens, unix:///PATH or tcp://HOST:PORT; FILE keeps its state, by default PATH.json or kv.json.
A transaction is the text `key=value`, the data of a query a key; `validator:KEY=POWER`, the KEY in hexadecimal digits,
also gives the validator with this Ed25519 key so much power. ABCI's messages are in protobuf's encoding, of which
this application needs so little that it reads and writes it by itself; the numbers are those of CometBFT's types.proto.
"""

import hashlib
import io
import json
import os
import pathlib
import re
import socketserver
import sys
import threading

# Numbers in answers: instead of a request's own; for a proposal; about a snapshot; and two codes of this application's.
EXCEPTION, ACCEPT, ABORT, MALFORMED, ABSENT = 1, 1, 2, 1, 2
VALIDATOR = "validator:"


def varint(number):
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


def read_varint(read):
    """A varint, of bytes that `read` gives one at a time; None if there are none."""
    number = shift = 0
    while byte := read(1):
        number |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return number


def field(number, *values):
    """A field of a message, once for each value: a number, bytes or text."""
    out = b""
    for value in values:
        value = value.encode() if isinstance(value, str) else value
        kind, value = (0, varint(value)) if isinstance(value, int) else (2, varint(len(value)) + value)
        out += varint(number << 3 | kind) + value
    return out


def fields(message):
    """What a message says: of each field's number the list of its values, numbers or bytes."""
    take, found = io.BytesIO(message).read, {}
    while tag := read_varint(take):
        value = read_varint(take) if tag & 7 == 0 else take({1: 8, 5: 4}.get(tag & 7) or read_varint(take))
        found.setdefault(tag >> 3, []).append(value)
    return found


class Store:
    """The application. A method takes a request's fields and returns the bytes of the answer."""

    def __init__(self, file):
        self.file, self.height, self.items, self.pending = file, 0, {}, None
        self.directory = os.open(os.path.dirname(file) or ".", os.O_RDONLY)
        if os.path.exists(file):
            with open(file, encoding="utf-8") as text:
                self.height, self.items = json.load(text)

    def info(self, _):
        # What is durable. From there the node goes on: with InitChain while this is height 0, then with every block since.
        return field(1, "kv.py") + field(4, self.height) + field(5, app_hash(self.items) if self.height else b"")

    def init_chain(self, request):
        self.items = dict(json.loads(request.get(5, [b"{}"])[0]))
        return field(3, app_hash(self.items))

    def prepare_proposal(self, request):
        room, chosen = request[1][0], []
        for tx in request.get(2, []):
            chosen += [tx] if (room := room - len(tx)) >= 0 else []
        return field(1, *chosen)

    def finalize_block(self, request):
        # It may come again for the same height: nothing that lasts is changed before the commit.
        txs, items = request.get(1, []), dict(self.items)
        items.update(pair for pair in map(parse, txs) if pair)
        self.pending = request[5][0], items
        return field(2, *map(result, txs)) + field(3, *updates(filter(None, map(parse, txs)))) + field(5, app_hash(items))

    def commit(self, _):
        # All or nothing, also if the power goes: a whole new file on the disk takes the old one's place there.
        with open(self.file + ".new", "w", encoding="utf-8") as text:
            json.dump(self.pending, text)
            text.flush()
            os.fsync(text.fileno())
        os.replace(self.file + ".new", self.file)
        os.fsync(self.directory)
        self.height, self.items = self.pending
        return b""

    def query(self, request):
        key = request.get(1, [b""])[0]
        value = self.items.get(key.decode(errors="replace"))
        absent = b"" if value is not None else field(1, ABSENT) + field(3, "there is no such key") + field(10, "kv.py")
        return absent + field(6, key) + field(7, value or "") + field(9, self.height)


def app_hash(items):
    """Over everything, in an order that is the same everywhere. Good for thousands of keys; millions need a tree."""
    return hashlib.sha256(json.dumps(items, sort_keys=True).encode()).digest()


def parse(tx):
    """Key and value; None if it is no transaction, since anybody may send anything."""
    text = tx.decode(errors="replace")
    key, equals, value = text.partition("=")
    good = not key.startswith(VALIDATOR) or re.fullmatch(VALIDATOR + "[0-9a-f]{64}=[0-9]{1,9}", text)
    return (key, value) if key and equals and good and "\ufffd" not in text else None


def updates(pairs):
    """The last word of a block on each validator. Anybody may have it here; an application in earnest asks who it is."""
    said = dict(pair for pair in pairs if pair[0].startswith(VALIDATOR))
    return [field(1, field(1, bytes.fromhex(key[len(VALIDATOR) :]))) + field(2, int(power)) for key, power in said.items()]


def result(tx):
    return b"" if parse(tx) else field(1, MALFORMED) + field(3, "a transaction is key=value in UTF-8") + field(8, "kv.py")


class Connection(socketserver.StreamRequestHandler):
    """One of the node's four connections: a length and a request, a length and the answer, in order."""

    def handle(self):
        store = self.server.store
        # Echo, Flush and so on, by their numbers. The last four are about snapshots: it has none and takes none.
        calls = {1: lambda request: field(1, *request.get(1, [])), 2: lambda _: b"", 3: store.info, 5: store.init_chain,
                 6: store.query, 8: lambda request: result(request.get(1, [b""])[0]), 16: store.prepare_proposal,
                 17: lambda _: field(1, ACCEPT), 20: store.finalize_block, 11: store.commit,
                 12: lambda _: b"", 13: lambda _: field(1, ABORT), 14: lambda _: b"", 15: lambda _: field(1, ABORT)}
        while length := read_varint(self.rfile.read):
            ((number, body),) = fields(self.rfile.read(length)).items()
            try:
                with self.server.lock:
                    answer = field(number + 1, calls[number](fields(body[0])))
            except Exception as error:  # An answer of this kind stops the node, which says the reason.
                answer = field(EXCEPTION, field(1, f"{type(error).__name__}: {error}"))
            self.wfile.write(varint(len(answer)) + answer)


if __name__ == "__main__":
    scheme, _, at = sys.argv[1].partition("://")
    if scheme == "unix":
        Server, address, file = socketserver.ThreadingUnixStreamServer, at, at + ".json"
        pathlib.Path(at).unlink(missing_ok=True)  # Left by one that was killed.
    else:
        Server, address, file = socketserver.ThreadingTCPServer, (at.split(":")[0], int(at.split(":")[1])), "kv.json"
    Server.daemon_threads = Server.allow_reuse_address = True
    with Server(address, Connection) as server:
        server.lock, server.store = threading.Lock(), Store(*sys.argv[2:] or [file])
        server.serve_forever()
