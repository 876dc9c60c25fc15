#!/usr/bin/env python3
"""Between requests that come every few microseconds the loop does not sleep, unless it is told to, and without them it
takes no core."""
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

WAIT_S = 20
IDLE_S = 2
IDLE_CPU_S_MAX = 0.1


def count(client, field):
    return int(varve.info(client, field))


def wait_for(what, condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


# Few clients, so that also a slow server has nothing to do now and then, and long looks, for slow clients.
def test_looks(server, client):
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(server.port), "-t", "get", "-n", "1000000000", "-c", "4", "-q"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("it does not look before it sleeps", lambda: count(client, "busy_polls_found") > 1000)
        check(client.call("CONFIG", "SET", "busy-poll-usec", "0").text == "OK", "CONFIG SET to 0")
        looks = count(client, "busy_polls")
        time.sleep(0.2)
        check(count(client, "busy_polls") == looks, "it looks though it may not")
        check(client.call("CONFIG", "SET", "busy-poll-usec", "500").text == "OK", "CONFIG SET to 500")
        wait_for("it does not look again", lambda: count(client, "busy_polls") > looks)
    finally:
        load.kill()
        load.wait()


def test_idle(server, client):
    looks = count(client, "busy_polls")
    before_s = server.cpu_seconds()
    time.sleep(IDLE_S)
    used_s = server.cpu_seconds() - before_s
    check(used_s < IDLE_CPU_S_MAX, "an idle server took %.2f s of CPU time in %d s" % (used_s, IDLE_S))
    check(count(client, "busy_polls") - looks < 10, "an idle loop looks again and again")


def main():
    with varve.Server(["--busy-poll-usec", "1000"]) as server, varve.Client(server.port) as client:
        if len(os.sched_getaffinity(0)) > 1:  # Else looks keep from the core who is waited for.
            test_looks(server, client)
        test_idle(server, client)


if __name__ == "__main__":
    main()
