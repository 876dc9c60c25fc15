#!/usr/bin/env python3
"""INFO memory adds up: once the server holds as much as it may, the parts make up RSS to within a tenth,
whatever the memory is used for just then: records, blocks, filters, clients, compactions. And RSS keeps
to its bound."""
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

LIMIT_MB = 48
RSS_ALLOWED = int(LIMIT_MB * 1.1 + 64) << 20
OTHER_PART_MAX = 0.10
KEYS = 400_000
VALUE_BYTES = 300  # 120 MB together
BATCH = 1000
LOOK_EVERY_S = 0.2

PARTS = ("records_bytes", "record_slots_bytes", "record_lists_bytes", "block_cache_bytes",
         "index_and_filter_bytes", "log_buffers_bytes", "jobs_bytes", "clients_bytes",
         "allocator_caches_bytes", "allocator_overhead_bytes", "code_bytes")


def memory_info(client):
    lines = client.call("INFO", "memory").decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class Watch(threading.Thread):
    """Looks again and again; the worst look is kept."""

    def __init__(self, server):
        super().__init__()
        self.server, self.ended = server, threading.Event()
        self.looks, self.problem = 0, None
        self.worst, self.rss_max, self.jobs_max = (0, {}), 0, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        try:
            with varve.Client(self.server.port) as client:
                while not self.ended.wait(LOOK_EVERY_S):
                    self.look(memory_info(client))
        except (OSError, EOFError, varve.Failure) as problem:
            self.problem = problem

    def look(self, info):
        parts = {name: int(info[name]) for name in PARTS}
        rss, accounted = int(info["used_memory_rss"]), int(info["memory_accounted"])
        check(accounted == sum(parts.values()), "memory_accounted is not the sum of its parts")
        check(int(info["memory_other"]) == rss - accounted, "memory_other is not what is left")
        self.rss_max = max(self.rss_max, rss)
        self.jobs_max = max(self.jobs_max, parts["jobs_bytes"])
        # Of a small process, a few MB that the allocator counts and nobody has touched are more than a tenth.
        if rss < LIMIT_MB << 20:
            return
        self.looks += 1
        off = abs(rss - accounted) / rss
        if off > self.worst[0]:
            self.worst = (off, dict(parts, rss=rss))


def value(i):
    # A third compresses: blocks and tables are to be of some size.
    return (b"%012d" % i) + os.urandom(VALUE_BYTES * 2 // 3) + b"." * (VALUE_BYTES // 3 - 12)


def fill(client):
    for start in range(0, KEYS, BATCH):
        client.send_raw(b"".join(
            b"*3\r\n$3\r\nSET\r\n$10\r\nk%09d\r\n$%d\r\n%b\r\n" %
            (i * 7919 % KEYS, VALUE_BYTES, value(i)) for i in range(start, start + BATCH)))
        for _ in range(BATCH):
            reply = client.read()
            check(isinstance(reply, varve.Status), "SET was refused")


def read_all(client):
    for start in range(0, KEYS, BATCH):
        client.send_raw(b"".join(b"*2\r\n$3\r\nGET\r\n$10\r\nk%09d\r\n" % i
                                 for i in range(start, start + BATCH)))
        for _ in range(BATCH):
            check(client.read() is not None, "a key is lost")


def main():
    if not memory_is_measured():
        print("the allocator of this build says nothing")
        sys.exit(77)
    with varve.Server(["--memory-limit", "%dmb" % LIMIT_MB]) as server:
        with varve.Client(server.port) as client, Watch(server) as watch:
            fill(client)
            read_all(client)
            time.sleep(3)  # settled
            info = memory_info(client)
            rss = server.rss_bytes()
            check(abs(int(info["used_memory_rss"]) - rss) < 0.05 * rss, "INFO's RSS is not /proc's")
        check(watch.problem is None, watch.problem)
        check(watch.looks > 5, "only %d looks at a full server" % watch.looks)
        check(watch.jobs_max > 0, "no job ever held anything")
        off, parts = watch.worst
        print("%d looks: at worst %.1f%% of RSS not accounted for; RSS at most %d MB" % (
            watch.looks, 100 * off, watch.rss_max >> 20))
        check(off <= OTHER_PART_MAX, "RSS and its parts differ by %.0f%%: %s" % (100 * off, parts))
        check(watch.rss_max <= RSS_ALLOWED, "RSS reached %d MB" % (watch.rss_max >> 20))
        server.stop()


def memory_is_measured():
    with varve.Server() as server, varve.Client(server.port) as client:
        return int(memory_info(client)["allocator_resident"]) > 0


if __name__ == "__main__":
    main()
