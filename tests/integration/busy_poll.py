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

IDLE_S = 2
IDLE_CPU_S_MAX = 0.1


def looks(client, field="busy_polls"):
    return int(varve.info(client, field))


# Few clients, so that also a slow server has nothing to do now and then, and long looks, for slow clients.
def test_looks(server, client):
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(server.port), "-t", "get", "-n", "1000000000", "-c", "4", "-q"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        varve.wait_until(lambda: looks(client, "busy_polls_found") > 1000, "it does not look before it sleeps")
        check(client.call("CONFIG", "SET", "busy-poll-usec", "0").text == "OK", "CONFIG SET to 0")
        before = looks(client)
        time.sleep(0.2)
        check(looks(client) == before, "it looks though it may not")
        check(client.call("CONFIG", "SET", "busy-poll-usec", "500").text == "OK", "CONFIG SET to 500")
        varve.wait_until(lambda: looks(client) > before, "it does not look again")
    finally:
        load.kill()
        load.wait()


def test_idle(server, client):
    before = looks(client)
    before_s = server.cpu_seconds()
    time.sleep(IDLE_S)
    used_s = server.cpu_seconds() - before_s
    check(used_s < IDLE_CPU_S_MAX, "an idle server took %.2f s of CPU time in %d s" % (used_s, IDLE_S))
    check(looks(client) - before < 10, "an idle loop looks again and again")


def main():
    with varve.Server(["--busy-poll-usec", "1000"]) as server, varve.Client(server.port) as client:
        if len(os.sched_getaffinity(0)) > 1:  # Else looks keep from the core who is waited for.
            test_looks(server, client)
        test_idle(server, client)


if __name__ == "__main__":
    main()
