#!/usr/bin/env python3
"""SIGTERM and SHUTDOWN in the middle of work: done within a second, and nothing that was answered
is missing. (tests/crash/kill_test.cc looks at every single answer.)"""
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

STOP_MAX_S = 1.0
SLOWER_BUILDS = ("address", "undefined", "thread", "debug")
SLOWER_FACTOR = 20


def stop_max_s():
    build = os.path.basename(os.path.dirname(os.path.abspath(
        os.environ.get("VARVE_SERVER", "build/varve-server"))))
    return STOP_MAX_S * (SLOWER_FACTOR if any(b in build for b in SLOWER_BUILDS) else 1)


class Load:
    """redis-benchmark without end: fifty writers with pipelines."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["redis-benchmark", "-p", str(port), "-t", "set", "-n", "1000000000", "-r", "1000000",
             "-P", "16", "-d", "100", "-c", "50", "-q"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def stop_by_sigterm(server):
    server.process.terminate()


def stop_by_command(server):
    with varve.Client(server.port) as client:
        client.send("SHUTDOWN")
        try:
            raise varve.Failure("SHUTDOWN answered %r" % client.read())
        except (EOFError, ConnectionError):
            pass


def test_stop(durability, stop):
    flags = ["--appendfsync", durability, "--memory-limit", "64mb"]
    with varve.Server(flags) as server, varve.Client(server.port) as client:
        with Load(server.port):
            deadline = time.monotonic() + varve.REPLY_TIMEOUT_S
            while client.call("DBSIZE") < 100_000:
                check(time.monotonic() < deadline, "the load does not begin")
                time.sleep(0.05)
            counted = answered = 0
            for _ in range(100):
                counted = client.call("INCR", "counter")
            start = time.monotonic()
            stop(server)
            try:  # Ours goes on until the connection ends.
                while True:
                    answered = client.call("INCR", "counter")
            except (EOFError, ConnectionError):
                pass
            code = server.process.wait(varve.STOP_TIMEOUT_S)
            took_s = time.monotonic() - start
        print("%-8s %-15s %.2f s" % (durability, stop.__name__, took_s), flush=True)
        check(code == 0, "the server ended with %d" % code)
        check(took_s <= stop_max_s(), "it took %.2f s to stop" % took_s)
        server.process = None
        server.start()
        with varve.Client(server.port) as late:
            found = int(late.call("GET", "counter"))
            check(found >= max(counted, answered), "counter is %d, answered was %d" % (
                found, max(counted, answered)))
            check(late.call("DBSIZE") >= 100_000, "keys are missing")
        server.stop()


def test_reload_and_stop_at_once():
    with varve.Server([]) as server:
        # Both signals are there when it looks: the reload ends while the server does.
        os.kill(server.process.pid, signal.SIGSTOP)
        server.process.send_signal(signal.SIGHUP)
        server.process.terminate()
        os.kill(server.process.pid, signal.SIGCONT)
        code = server.process.wait(varve.STOP_TIMEOUT_S)
        check(code == 0, "the server ended with %d" % code)
        server.process = None


def main():
    test_reload_and_stop_at_once()
    for durability in ("always", "everysec", "no"):
        for stop in (stop_by_sigterm, stop_by_command):
            test_stop(durability, stop)


if __name__ == "__main__":
    main()
