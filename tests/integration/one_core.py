#!/usr/bin/env python3
"""A server whose flushes and compactions have no core but the loop's: the loop rests where they wait, for as long as it
is told to, and all that was written is there."""
import json
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

PROGRAM = os.environ.get("VARVE_LOAD", "build/varve-load")
KEYS = 100000
LOAD_S = 15
END_TIMEOUT_S = 120


def rest_us(client):
    return int(varve.info(client, "loop_rest_usec"))


def load(server, phases):
    return subprocess.Popen(
        [PROGRAM, "--port=%d" % server.port, "--keys=%d" % KEYS, "--phases=" + phases, "--size=1000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check_ended_well(generator):
    output, _ = generator.communicate(timeout=END_TIMEOUT_S)
    check(generator.returncode == 0, "varve-load failed: " + output[-1000:])
    return [json.loads(line) for line in output.splitlines()]


def start_on_one_core(server):
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        server.start()
    finally:
        os.sched_setaffinity(0, cores)


def test_rests(server):
    with varve.Client(server.port) as client:
        check(rest_us(client) == 0, "it rests with nothing to do")
        generator = load(server, "load,full:%d,check" % LOAD_S)
        varve.wait_until(lambda: rest_us(client) > 0, "jobs wait, and the loop does not rest")
        check(rest_us(client) <= 200, "it rests longer than it may")

        check(client.call("CONFIG", "SET", "loop-rest-usec", "0").text == "OK", "CONFIG SET to 0")
        varve.wait_until(lambda: rest_us(client) == 0, "it rests though it may not")
        for _ in range(20):
            check(rest_us(client) == 0, "it rests again though it may not")
            time.sleep(0.02)

        check(client.call("CONFIG", "SET", "loop-rest-usec", "100").text == "OK", "CONFIG SET to 100")
        varve.wait_until(lambda: rest_us(client) > 0, "it does not rest again")
        check(rest_us(client) <= 100, "it rests longer than it may now")
        check_ended_well(generator)
        varve.wait_until(lambda: rest_us(client) == 0, "it rests when the load is over")


def main():
    server = varve.Server(["--memory-limit", "64mb"])
    try:
        start_on_one_core(server)
        test_rests(server)
        server.stop()
    finally:
        server.close()


if __name__ == "__main__":
    main()
