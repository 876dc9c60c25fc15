#!/usr/bin/env python3
"""varve-load against a live server: what it sends arrives, what it reads is right, and what is wrong
is found: a benchmark that cannot fail measures nothing."""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

PROGRAM = os.environ.get("VARVE_LOAD", "build/varve-load")
TIMEOUT_S = 120
KEYS = 20000


def load(server, *options):
    """(exit code, {phase: its last line}, what it complained of)"""
    done = subprocess.run([PROGRAM, "--port=%d" % server.port, "--keys=%d" % KEYS] + list(options),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=TIMEOUT_S)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return (done.returncode, {line["phase"]: line for line in lines if line["event"] == "end"},
            done.stderr)


def test_mixed(server):
    code, ends, complaints = load(
        server, "--phases=load,full:1,pace:2:3000,idle:0.5,check", "--pipeline=8", "--zipf=0.99",
        "--mix=get:40,set:30,setex:20,del:10", "--expire=100-900", "--size=100:5,1kb:4,200kb:1")
    check(code == 0, "a mixed load failed: " + complaints)
    check(ends["load"]["write"]["count"] == KEYS, "not every key was set")
    check(ends["load"]["live_keys"] == KEYS, "not every key is live")
    check(ends["check"]["read"]["count"] == KEYS, "not every key was read")
    # Due at fixed times: the number is exact, whatever the server did.
    check(ends["pace:2:3000"]["operations"] == 6000, "the pace was not kept")
    check(ends["pace:2:3000"]["write"]["max"] >= ends["pace:2:3000"]["write"]["p50"] > 0, "no latencies")
    with varve.Client(server.port) as client:
        size = client.call("DBSIZE")
    live = ends["check"]["live_keys"]
    check(abs(size - live) <= KEYS / 100, "%d keys are there, not %d" % (size, live))


def test_wrong_is_found(server):
    with varve.Client(server.port) as client:
        client.call("FLUSHALL")
        check(load(server, "--phases=load,check")[0] == 0, "right values are taken for wrong")

        for why, command, complaint in (
                ("a lost key", ("DEL", "key:000000000007"), "is absent"),
                ("another's value", ("COPY", "key:000000000001", "key:000000000007", "REPLACE"),
                 "has the value of key 1"),
                ("a changed byte", ("SETRANGE", "key:000000000007", 60, "?"), "none"),
                ("a shorter value", ("SET", "key:000000000007", "short"), "none"),
                ("all lost", ("FLUSHALL",), "is absent")):
            check(not isinstance(client.call(*command), varve.Error), why + ": cannot be made")
            code, ends, complaints = load(server, "--phases=check", "--all-exist=1", "--run=2")
            check(code == 1, "%s was not found (exit code %d)" % (why, code))
            check(complaint in complaints, "%s: it said: %s" % (why, complaints))
            check(load(server, "--phases=load")[0] == 0, "loading again")


def test_errors(server):
    with varve.Client(server.port) as client:
        client.call("CONFIG", "SET", "requirepass", "secret")
    code, ends, complaints = load(server, "--phases=load")
    check(code == 1 and "NOAUTH" in complaints, "error replies: " + complaints)
    check(ends["load"]["errors"] == KEYS, "error replies are not counted")
    server.stop()
    code, _, complaints = load(server, "--phases=load")
    check(code == 2 and "connect" in complaints, "without a server: " + complaints)


def main():
    with varve.Server() as server:
        test_mixed(server)
        test_wrong_is_found(server)
        test_errors(server)


if __name__ == "__main__":
    main()
