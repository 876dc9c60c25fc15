#!/usr/bin/env python3
"""Keys go when their time has come although nobody looks at them: from memory, from tables and over
a restart; many at a time hold nobody up; and who watches one is told."""
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check, info  # noqa: E402

MANY = 200_000
SOON_MAX_S = 30  # for slow machines; what is really wanted is written in docs/BENCHMARKS.md
PAUSE_MAX_S = 1.0


def await_size(client, size):
    deadline = time.monotonic() + SOON_MAX_S
    # It may be too low for a while: see docs/DIFFERENCES.md.
    while client.call("DBSIZE") > size:
        check(time.monotonic() < deadline,
              "DBSIZE is still %d, not %d" % (client.call("DBSIZE"), size))
        time.sleep(0.02)


def all_keys(client):
    keys = []
    cursor = b"0"
    while True:
        cursor, some = client.call("SCAN", cursor, "COUNT", 1000).items
        keys += some.items
        if cursor == b"0":
            return keys


def await_all_gone(client):
    deadline = time.monotonic() + SOON_MAX_S
    while info(client, "expire_cycle_lag_msec") != "0":
        check(time.monotonic() < deadline, "keys still expire")
        time.sleep(0.02)
    check(all_keys(client) == [b"stays"], "keys that should be gone")


def write(client, count, prefix, expire_at_ms):
    value = "v" * 100
    for start in range(0, count, 1000):
        for i in range(start, start + 1000):
            client.send("SET", "%s%d" % (prefix, i), value, "PXAT", expire_at_ms)
        for _ in range(1000):
            check(client.read().text == "OK", "SET")


def now_ms():
    return int(time.time() * 1000)


def test_few(client):
    client.call("SET", "stays", "1")
    for database in (0, 3):
        client.call("SELECT", database)
        for i in range(100):
            client.call("SET", "k%d" % i, "v", "PX", 100 + i)
    check(client.call("SET", "k5", "v").text == "OK", "SET")  # without a time now
    check(client.call("PERSIST", "k6") == 1, "PERSIST")
    await_size(client, 2)
    client.call("SELECT", 0)
    await_size(client, 1)
    check(info(client, "expired_keys") == "198", "expired_keys")


def test_watch(server, client):
    with varve.Client(server.port) as other:
        other.call("SET", "watched", "v", "PX", 200)
        client.call("WATCH", "watched")
        await_size(other, 1)
        client.call("MULTI")
        client.call("PING")
        check(client.call("EXEC") is None, "EXEC ran although a watched key had expired")


class Bystander:
    def __init__(self, port):
        self.slowest = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(port,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self, port):
        with varve.Client(port) as client:
            while not self.ended.wait(0.002):
                start = time.monotonic()
                client.call("PING")
                self.slowest = max(self.slowest, time.monotonic() - start)


def test_many(server, client, restart):
    at_ms = now_ms() + 10_000
    # New keys each time: of those that tables know, DBSIZE takes some for overwritten ones at first.
    write(client, MANY, "again" if restart else "many", at_ms)
    size = client.call("DBSIZE")
    # A machine may be too slow to have them all at the same time.
    check(size > 0.9 * MANY or now_ms() >= at_ms, "DBSIZE is %d" % size)
    if restart:
        server.kill()
        time.sleep(max(0, at_ms / 1000 - time.time()))
        server.start()
        client = varve.Client(server.port)
    time.sleep(max(0, at_ms / 1000 - time.time() - 0.5))
    with Bystander(server.port) as bystander:
        await_size(client, 1)
    after_ms = now_ms() - at_ms
    print("%d keys gone %.1f s after their time, others waited %.0f ms at most" % (
        MANY, after_ms / 1000, bystander.slowest * 1000))
    check(bystander.slowest < PAUSE_MAX_S, "others waited %.1f s" % bystander.slowest)
    await_all_gone(client)
    check(client.call("GET", "stays") == b"1", "stays")


def main():
    with varve.Server(["--memory-limit", "32mb"]) as server:
        with varve.Client(server.port) as client:
            test_few(client)
            test_watch(server, client)
            test_many(server, client, restart=False)
            test_many(server, client, restart=True)
        server.stop()


if __name__ == "__main__":
    main()
