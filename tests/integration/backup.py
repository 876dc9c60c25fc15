#!/usr/bin/env python3
"""Checkpoints of a running server under load, and what is made of them: BGSAVE, SAVE, LASTSAVE, a
second server on a checkpoint, varve-tool backup and restore."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

TOOL = os.environ.get("VARVE_TOOL", "build/varve-tool")
FLAGS = ["--memory-limit", "32mb"]  # small generations: flushes and compactions go on all the time
SAVE_MAX_S = 60
KEYS_MAX = 20_000  # then the writer begins anew
PAIRS_PER_PIPELINE = 50


class Writer(threading.Thread):
    """Number after number, each written to two keys at once and to `newest`."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.answered = 0
        self.problem = None
        self.stopping = False

    def run(self):
        try:
            with varve.Client(self.port) as client:
                number = 0
                while not self.stopping:
                    for _ in range(PAIRS_PER_PIPELINE):
                        number += 1
                        text = value_of(number)
                        slot = number % KEYS_MAX
                        client.send("MSET", "a:%d" % slot, text, "b:%d" % slot, text,
                                    "newest", number)
                    for _ in range(PAIRS_PER_PIPELINE):
                        check(client.read().text == "OK", "MSET")
                    self.answered = number
        except Exception as problem:  # told by the main thread
            self.problem = problem

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join()
        if self.problem:
            raise self.problem


def value_of(number):
    return "%d:" % number + "v" * (number % 700)


def persistence(client):
    lines = client.call("INFO", "persistence").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def await_saved(client, saves):
    deadline = time.monotonic() + SAVE_MAX_S
    while True:
        info = persistence(client)
        if info["rdb_bgsave_in_progress"] == "0":
            check(info["rdb_last_bgsave_status"] == "ok", "the checkpoint failed")
            check(int(info["rdb_saves"]) == saves, "rdb_saves is " + info["rdb_saves"])
            return
        check(time.monotonic() < deadline, "no checkpoint after %d s" % SAVE_MAX_S)
        time.sleep(0.01)


def checkpoints(server):
    directory = os.path.join(server.data_dir, "checkpoints")
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]


def verify(client, least):
    """All writes up to some number, none behind it, and that is `least` or more."""
    newest = int(client.call("GET", "newest"))
    check(newest >= least, "it holds %d writes, but %d had been answered" % (newest, least))
    first = max(1, newest - KEYS_MAX + 1)
    for number in range(first, newest + 1):
        slot = number % KEYS_MAX
        client.send("MGET", "a:%d" % slot, "b:%d" % slot)
    for number in range(first, newest + 1):
        want = value_of(number).encode()
        check(client.read().items == [want, want], "number %d of %d" % (number, newest))
    return newest


def serve_and_verify(directory, least):
    server = varve.Server(FLAGS)
    try:
        own, server.data_dir = server.data_dir, directory
        server.start()
        with varve.Client(server.port) as client:
            newest = verify(client, least)
        server.stop()
        server.data_dir = own
        return newest
    except BaseException:
        print(server.log_tail())
        raise
    finally:
        server.close()


def tool(*arguments):
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def tables(directory):
    return [name for name in os.listdir(directory) if name.endswith(".table")]


def test_under_load(server, client):
    """Returns checkpoints and how many writes each must hold at least."""
    made = []
    with Writer(server.port) as writer:
        for saves in range(1, 4):
            time.sleep(1.5)
            least = writer.answered
            check(least > 0, "the writer does not write")
            check(client.call("BGSAVE").text == "Background saving started", "BGSAVE")
            await_saved(client, saves)
            made.append((checkpoints(server)[-1], least))
        least = writer.answered
        before = client.call("LASTSAVE")
        check(before >= int(time.time()) - SAVE_MAX_S, "LASTSAVE")
        check(client.call("SAVE").text == "OK", "SAVE")
        made.append((checkpoints(server)[-1], least))
        # One at a time; the loop takes both in one turn.
        for command in ("BGSAVE", "BGSAVE", "SAVE"):
            client.send(command)
        check(client.read().text == "Background saving started", "BGSAVE")
        for _ in range(2):
            check(client.read().text == "ERR Background save already in progress", "twice")
        await_saved(client, 5)
    return made


def test_failure(server):
    """What goes wrong is answered and told, and does not last."""
    in_the_way = os.path.join(server.data_dir, "checkpoints")
    with open(in_the_way, "w"), varve.Client(server.port) as client:
        reply = client.call("SAVE").text
        check(reply.startswith("ERR Saving failed: ") and in_the_way in reply, reply)
        info = persistence(client)
        check(info["rdb_last_bgsave_status"] == "err" and info["rdb_saves"] == "0", str(info))
        check(client.call("SET", "k", "v").text == "OK", "writes go on")
        os.remove(in_the_way)


def test_retention(server, client, made):
    kept = checkpoints(server)
    check(len(kept) == 2, "%d checkpoints are kept, not 2" % len(kept))
    check(made[-1][0] in kept and made[0][0] not in kept, "the newest are kept")
    check(client.call("CONFIG", "SET", "checkpoints-max", 0).text == "OK", "CONFIG SET")
    os.mkdir(os.path.join(server.data_dir, "checkpoints", "20200101T000000.000Z.partial"))
    os.mkdir(os.path.join(server.data_dir, "checkpoints", "mine"))
    check(client.call("SAVE").text == "OK", "SAVE")
    names = [os.path.basename(path) for path in checkpoints(server)]
    check(len(names) == 4 and "mine" in names, "kept: %s" % names)


def test_shared(server, client, checkpoint, least):
    """By links, and what the source does afterwards does not matter."""
    with varve.Client(server.port) as other:
        check(other.call("SAVE").text == "OK", "SAVE")
    newest = checkpoints(server)[-2]  # behind it comes "mine"
    names = tables(newest)
    check(names, "no tables")
    for name in names:
        check(os.stat(os.path.join(newest, name)).st_nlink >= 2, name + " is not shared")
    check(client.call("FLUSHALL").text == "OK", "FLUSHALL")
    time.sleep(3)  # by then the tables are gone from the source
    check(client.call("DBSIZE") == 0, "DBSIZE")
    return serve_and_verify(checkpoint, least)


def test_tool(server, directory, checkpoint, newest):
    code, _, err = tool("backup", server.data_dir, os.path.join(directory, "no"))
    check(code == 2 and "locked by process" in err and "BGSAVE" in err, "backup of a running: " + err)
    check(not os.path.exists(os.path.join(directory, "no")), "a refused backup left something")

    backup = os.path.join(directory, "backup")
    code, out, err = tool("backup", checkpoint, backup, "--json")
    check(code == 0, err)
    report = json.loads(out)
    check(report["target"] == backup and report["tables_copied"] == 0, out)
    check(report["tables_linked"] == len(tables(backup)) > 0, out)
    code, _, err = tool("backup", checkpoint, backup)
    check(code == 2 and "not empty" in err, "backup into a full directory: " + err)
    check(serve_and_verify(backup, newest) == newest, "the backup is another database")

    restored = os.path.join(directory, "restored")
    os.mkdir(restored)
    code, out, err = tool("restore", backup, restored)
    check(code == 0 and restored in out and "linked" in out, out + err)
    check(serve_and_verify(restored, newest) == newest, "restored is another database")

    for arguments in (["backup"], ["restore", "a"], ["backup", "a", "b", "--what"]):
        code, out, err = tool(*arguments)
        check(code == 2 and "--json" in err, "%s: %d %s" % (arguments, code, err))
    code, _, err = tool("restore", directory, os.path.join(directory, "no"))
    check(code == 2 and "no database there" in err, err)


def test_other_file_system(checkpoint, newest):
    """Where a link is impossible."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(checkpoint).st_dev:
        print("no second file system: not tried")
        return
    with tempfile.TemporaryDirectory(prefix="varve-test-", dir="/dev/shm") as directory:
        target = os.path.join(directory, "backup")
        code, out, err = tool("backup", checkpoint, target, "--json")
        check(code == 0, err)
        report = json.loads(out)
        check(report["tables_linked"] == 0 and report["bytes_copied"] == report["bytes"] > 0, out)
        check(serve_and_verify(target, newest) == newest, "the copy is another database")


def test_stopped_server(server, directory):
    """The data directory itself, with a log that holds more than the tables."""
    with varve.Client(server.port) as client:
        client.call("MSET", "a:1", value_of(1), "b:1", value_of(1), "newest", 1)
    server.kill()
    backup = os.path.join(directory, "of-stopped")
    code, _, err = tool("backup", server.data_dir, backup)
    check(code == 0, err)
    check(serve_and_verify(backup, 1) == 1, "what was in the log is not in the backup")


def main():
    with varve.Server(FLAGS) as server, tempfile.TemporaryDirectory(
            prefix="varve-test-", dir=os.path.dirname(server.data_dir)) as directory:
        try:
            test_failure(server)
            with varve.Client(server.port) as client:
                made = test_under_load(server, client)
                test_retention(server, client, made)
                checkpoint, least = made[-1]
                newest = test_shared(server, client, checkpoint, least)
            test_tool(server, directory, checkpoint, newest)
            test_other_file_system(checkpoint, newest)
            test_stopped_server(server, directory)
        except BaseException:
            print(server.log_tail())
            raise


if __name__ == "__main__":
    main()
