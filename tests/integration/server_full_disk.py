#!/usr/bin/env python3
"""A disk that is really full, a small tmpfs: writes are refused, reads and deletes go on, nothing
that was answered is lost, also over kill -9, and writes are taken again when there is room: made by
FLUSHDB, or by somebody who removes a file."""
import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

DISK_MB = 64
BALLAST_MB = 16
FLAGS = ["--memory-limit", "32mb"]
KEYS_PER_STEP = 50
SETTLE_S = 3  # Flushes may bring back some room: full is what is still full then.
RESUME_MAX_S = 60
SKIPPED = 77


def value_of(key):
    return random.Random(key).randbytes(1000)  # cannot be compressed


class SmallDisk:
    """A tmpfs of its own in place of the server's data directory."""

    def __init__(self, path):
        self.path = path
        self.mounted = False

    def __enter__(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % DISK_MB, "tmpfs", self.path],
                              capture_output=True, text=True)
        self.mounted = done.returncode == 0
        self.problem = done.stderr.strip()
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)


class Story:
    """What was written, and so must be there."""

    def __init__(self, server):
        self.server = server
        self.keys = set()
        self.count = 0

    def write_some(self, client):
        """False if a write was refused. Several at a time, some of which may be taken."""
        names = ["key%d" % (self.count + i) for i in range(KEYS_PER_STEP)]
        self.count += len(names)
        for name in names:
            client.send("SET", name, value_of(name))
        refused = 0
        for name in names:
            reply = client.read()
            if isinstance(reply, varve.Error):
                check(reply.text.startswith("MISCONF The disk is full"), reply.text)
                refused += 1
            else:
                self.keys.add(name)
        return refused == 0

    def fill(self, client):
        last_success = time.monotonic()
        while time.monotonic() - last_success < SETTLE_S:
            if self.write_some(client):
                last_success = time.monotonic()
            else:
                time.sleep(0.2)

    def await_room(self, client, why):
        deadline = time.monotonic() + RESUME_MAX_S
        while not self.write_some(client):
            check(time.monotonic() < deadline, "writes are still refused after " + why)
            time.sleep(0.2)

    def delete_some(self, client):
        for name in random.sample(sorted(self.keys), 20):
            check(client.call("DEL", name) == 1, "DEL of %s" % name)
            self.keys.remove(name)

    def verify(self, client):
        for name in sorted(self.keys):
            client.send("GET", name)
        for name in sorted(self.keys):
            value = client.read()
            check(value == value_of(name), "%s is %.60r" % (name, value))
        # Not all of it is in memory, so some keys may not be counted yet.
        counted = client.call("DBSIZE")
        check(0.9 * len(self.keys) <= counted <= len(self.keys),
              "DBSIZE is %d, not %d" % (counted, len(self.keys)))


def fill_other_database(client):
    client.call("SELECT", 1)
    for i in range(8000):
        client.send("SET", "other%d" % i, value_of("other%d" % i))
    for _ in range(8000):
        check(client.read().text == "OK", "SET in the other database")
    client.call("SELECT", 0)


def test(server, disk):
    ballast = os.path.join(disk, "ballast")
    with open(ballast, "wb") as file:
        file.write(bytes(BALLAST_MB << 20))
    server.start()
    story = Story(server)
    with varve.Client(server.port) as client:
        fill_other_database(client)
        story.fill(client)
        check("disk_full:1" in client.call("INFO", "engine").decode(), "INFO does not say so")
        check("log_state:full" in client.call("INFO", "persistence").decode(), "nor does log_state")
        reply = client.call("SAVE").text
        check(reply.startswith("ERR Saving failed: "), "SAVE on a full disk: " + reply)
        story.delete_some(client)
        story.verify(client)
    server.kill()
    server.start()
    with varve.Client(server.port) as client:
        story.verify(client)
        story.fill(client)
        story.delete_some(client)
        check(client.call("FLUSHALL", "bad").text.startswith("ERR"), "bad option")
        client.call("SELECT", 1)
        check(client.call("FLUSHDB").text == "OK", "FLUSHDB")
        client.call("SELECT", 0)
        story.await_room(client, "FLUSHDB")
        story.fill(client)
        os.remove(ballast)
        story.await_room(client, "a file was removed")
        check("disk_full:0" in client.call("INFO", "engine").decode(), "INFO does not say so")
        check("log_state:ok" in client.call("INFO", "persistence").decode(), "nor does log_state")
        story.verify(client)
    server.kill()
    server.start()
    with varve.Client(server.port) as client:
        story.verify(client)
    server.stop()


def main():
    server = varve.Server(FLAGS)
    with SmallDisk(server.data_dir) as disk:
        if not disk.mounted:
            print("cannot mount a small disk: %s" % disk.problem)
            server.close()
            return SKIPPED
        try:
            test(server, disk.path)
        except BaseException:
            print(server.log_tail())
            raise
        finally:
            server.kill()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
