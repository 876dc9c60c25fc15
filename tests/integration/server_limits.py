#!/usr/bin/env python3
"""What hostile or clumsy clients do to others: nothing. Out of descriptors, replies nobody takes,
deep pipelines, half-closed and broken connections, large values."""
import os
import resource
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check, info  # noqa: E402


def connect(server):
    s = socket.create_connection(("127.0.0.1", server.port), timeout=varve.REPLY_TIMEOUT_S)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def receive_all(s):
    pieces = []
    try:
        while piece := s.recv(1 << 20):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def test_half_close(server):
    """A client that sends and shuts down its side gets every reply, as with nc."""
    with connect(server) as s:
        s.sendall(b"SET half 1\r\nGET half\r\n" + b"PING\r\n" * 1000)
        s.shutdown(socket.SHUT_WR)
        check(receive_all(s) == b"+OK\r\n$1\r\n1\r\n" + b"+PONG\r\n" * 1000, "half-closed")


def test_byte_by_byte(server):
    with connect(server) as s:
        for byte in b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$2\r\nok\r\nPING\r\n":
            s.sendall(bytes([byte]))
        s.shutdown(socket.SHUT_WR)
        check(receive_all(s) == b"+OK\r\n+PONG\r\n", "byte by byte")


def test_deep_pipeline(server):
    """200 MB of replies to one pipeline: held back while nobody takes them, complete in the end."""
    size, count = 100_000, 2000
    with varve.Client(server.port) as client:
        client.call("SET", "large", b"x" * size)
        before = int(info(client, "used_memory_rss"))
        with connect(server) as s:
            s.sendall(b"GET large\r\n" * count)
            time.sleep(0.5)
            check(client.call("PING").text == "PONG", "others wait for a deep pipeline")
            grown = int(info(client, "used_memory_rss")) - before
            check(grown < 50 << 20, "replies pile up: %d bytes" % grown)
            s.shutdown(socket.SHUT_WR)
            want = (len("$%d\r\n\r\n" % size) + size) * count
            check(len(receive_all(s)) == want, "replies are missing")


def test_never_reads(server):
    """Dropped when it has taken nothing for the seconds of the soft limit."""
    with varve.Client(server.port) as client:
        client.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1gb 1mb 1")
        client.call("SET", "large", b"x" * 100_000)
        dropped = int(info(client, "dropped_clients"))
        with connect(server) as s:
            s.sendall(b"GET large\r\n" * 500)
            deadline = time.monotonic() + 30
            while int(info(client, "dropped_clients")) == dropped:
                check(time.monotonic() < deadline, "a client that never reads is not dropped")
                time.sleep(0.1)
        # One over the hard limit goes at once.
        client.call("CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0")
        client.call("SET", "huge", b"x" * (20 << 20))
        with connect(server) as s:
            s.sendall(b"GET huge\r\n")
            time.sleep(0.2)
            check(len(receive_all(s)) < 20 << 20, "the hard limit has no effect")
        client.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1gb 1mb 60")


def test_large_value(server):
    """100 MB in, 100 MB out, while others are answered."""
    value = os.urandom(1 << 20) * 100
    with varve.Client(server.port) as client, varve.Client(server.port) as other:
        check(client.call("SET", "huge", value).text == "OK", "SET huge")
        client.send("GET", "huge")
        slowest = 0
        for _ in range(100):
            start = time.monotonic()
            other.call("PING")
            slowest = max(slowest, time.monotonic() - start)
        check(client.read() == value, "GET huge")
        check(slowest < 5, "others waited %.1f s" % slowest)
        client.call("DEL", "huge")


def test_idle(server):
    with connect(server) as s:
        s.sendall(b"CONFIG SET timeout 1\r\n")
        check(receive_all(s) == b"+OK\r\n", "an idle client stays")
    with varve.Client(server.port) as client:
        client.call("CONFIG", "SET", "timeout", "0")
    start = server.cpu_seconds()
    time.sleep(1)
    check(server.cpu_seconds() - start < 0.2, "an idle server is busy")


def test_killed(server):
    with varve.Client(server.port) as client, varve.Client(server.port) as victim:
        victim_id = victim.call("CLIENT", "ID")
        check(client.call("CLIENT", "KILL", "ID", victim_id) == 1, "CLIENT KILL")
        try:
            check(False, "a killed client is answered: %r" % victim.call("PING"))
        except (EOFError, ConnectionError):
            pass
        my_id = client.call("CLIENT", "ID")
        check(client.call("CLIENT", "KILL", "ID", my_id, "SKIPME", "no") == 1, "killing oneself")


def test_out_of_descriptors():
    """Refused at once, and the loop does not spin on what it cannot accept."""
    with varve.Server(["--maxclients", "10000"]) as server:
        client = varve.Client(server.port)
        # What the engine opens for the first write, it shall have.
        client.call("SET", "a", "1")
        in_use, before = server.open_descriptors(), 0
        while in_use != before:
            time.sleep(0.2)
            in_use, before = server.open_descriptors(), in_use
        limit = in_use + 20
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        sockets = [connect(server) for _ in range(100)]
        answered = closed = 0
        for s in sockets:
            try:
                s.sendall(b"PING\r\n")
                if s.recv(10) == b"+PONG\r\n":
                    answered += 1
                else:
                    closed += 1
            except ConnectionError:
                closed += 1
        check(answered >= 10 and closed >= 70, "%d answered, %d closed" % (answered, closed))
        start = server.cpu_seconds()
        time.sleep(1)
        check(server.cpu_seconds() - start < 0.5, "the loop spins")
        for s in sockets:
            s.close()
        check(client.call("PING").text == "PONG", "the server has not survived")
        deadline = time.monotonic() + 10
        while True:  # Room again.
            try:
                with varve.Client(server.port) as late:
                    if late.call("PING").text == "PONG":
                        break
            except (OSError, EOFError):
                pass
            check(time.monotonic() < deadline, "no room though clients have gone")
        client.close()
        server.stop()


def test_few_descriptors_allowed():
    """The figures tell how many clients there may be, not how many somebody wished for."""
    with varve.Server(wrapper=["prlimit", "--nofile=400:400"]) as server:
        with varve.Client(server.port) as client:
            most = int(client.call("CONFIG", "GET", "maxclients").items[1])
            check(50 < most < 400, "maxclients is %d" % most)
            check(info(client, "maxclients") == str(most), "INFO and CONFIG GET differ")
            reply = client.call("CONFIG", "SET", "maxclients", most + 1)
            check("'maxclients'" in reply.text, "more than there can be: " + reply.text)
            check(client.call("CONFIG", "SET", "maxclients", most - 1).text == "OK", "less")
            server.process.send_signal(signal.SIGHUP)  # Its configuration asks for 10,000 again.
            deadline = time.monotonic() + 10
            while info(client, "maxclients") != str(most):
                check(time.monotonic() < deadline,
                      "reloaded: maxclients is " + info(client, "maxclients"))
                time.sleep(0.05)
        server.stop()


def main():
    with varve.Server() as server:
        for test in [test_half_close, test_byte_by_byte, test_deep_pipeline, test_never_reads,
                     test_large_value, test_idle, test_killed]:
            test(server)
        server.stop()
    test_few_descriptors_allowed()
    # Without descriptors the sanitizer cannot look at memory any more, and complains.
    if "undefined" not in os.environ.get("VARVE_BUILD", ""):
        test_out_of_descriptors()


if __name__ == "__main__":
    main()
