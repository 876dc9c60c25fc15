#!/usr/bin/env python3
"""The largest value there may be, 512 MB: set, read, ranged over, and there after a restart. It
travels in pieces, so that only the server holds it whole. One byte more is refused, and others do
not wait for it."""
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

PIECE = 1 << 20
PIECES = 512
SIZE = PIECE * PIECES
PAUSE_MAX_S = 2.0  # Generous: machines that run tests do other things besides.

RANDOM = os.urandom(PIECE - 8)


def piece(i):
    return i.to_bytes(8, "big") + RANDOM


class Bystander:
    """Another client, and how long it had to wait for a PONG at worst."""

    def __init__(self, port):
        self.slowest = 0
        self.problem = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self, port):
        try:
            with varve.Client(port) as client:
                while not self._ended.wait(0.005):
                    start = time.monotonic()
                    client.call("PING")
                    self.slowest = max(self.slowest, time.monotonic() - start)
        except (OSError, EOFError) as problem:
            self.problem = problem


def set_large(client):
    client.send_raw(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % SIZE)
    for i in range(PIECES):
        client.send_raw(piece(i))
    client.send_raw(b"\r\n")
    check(client.read().text == "OK", "SET")


def get_large(client):
    client.send("GET", "large")
    head = client.receive(len(b"$%d\r\n" % SIZE))
    check(head == b"$%d\r\n" % SIZE, "GET began with %r" % head)
    for i in range(PIECES):
        check(client.receive(PIECE) == piece(i), "MB %d came back different" % i)
    check(client.receive(2) == b"\r\n", "GET does not end in CRLF")


def timed(what, port, function, *args):
    start = time.monotonic()
    with Bystander(port) as bystander:
        function(*args)
    print("%-6s %5.1f s, others waited %3.0f ms at most" % (
        what, time.monotonic() - start, bystander.slowest * 1000), flush=True)
    check(bystander.problem is None, "another client: %s" % bystander.problem)
    check(bystander.slowest < PAUSE_MAX_S, "others waited %.1f s" % bystander.slowest)


def test_value(server):
    with varve.Client(server.port) as client:
        timed("SET", server.port, set_large, client)
        timed("GET", server.port, get_large, client)
        check(client.call("STRLEN", "large") == SIZE, "STRLEN")
        check(client.call("GETRANGE", "large", SIZE - 10, -1) == piece(PIECES - 1)[-10:],
              "GETRANGE")
        full = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        for words in (["APPEND", "large", "x"], ["SETRANGE", "large", SIZE, "x"]):
            check(client.call(*words).text == full, "%s beyond 512 MB" % words[0])


def test_too_large(server):
    with varve.Client(server.port) as client:
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % (SIZE + 1))
        check(client.read().text == "ERR Protocol error: invalid bulk length", "SET of 512 MB + 1")
        try:
            raise varve.Failure("still there after a protocol error: %r" % client.read())
        except (EOFError, ConnectionError):
            pass


def main():
    with varve.Server() as server:
        test_value(server)
        test_too_large(server)
        server.kill()
        server.start()
        with varve.Client(server.port) as client:
            timed("GET", server.port, get_large, client)
            timed("DEL", server.port, client.call, "DEL", "large")
            check(client.call("EXISTS", "large") == 0, "DEL")
        server.stop()


if __name__ == "__main__":
    main()
