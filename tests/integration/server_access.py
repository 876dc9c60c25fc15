#!/usr/bin/env python3
"""Who gets in, and by which door: passwords, unix socket, IPv6, protected mode, maxclients."""
import errno
import os
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402


def talk(family, address, data):
    """Sends, shuts down its side, and returns all that comes back."""
    with socket.socket(family) as s:
        s.settimeout(varve.REPLY_TIMEOUT_S)
        s.connect(address)
        replies = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while piece := s.recv(65536):
                replies += piece
        except OSError as error:  # Closed by the server, perhaps before we had sent all.
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise
        return replies


def over_tcp(server, data):
    return talk(socket.AF_INET, ("127.0.0.1", server.port), data)


def error_of(reply):
    return reply.text if isinstance(reply, varve.Error) else "no error: %r" % (reply,)


def outside_address():
    """An address of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            address = s.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


def test_password():
    with varve.Server(["--requirepass", "open sesame"]) as server:
        with varve.Client(server.port) as client:
            for words in (["GET", "a"], ["CONFIG", "GET", "*"], ["MULTI"]):
                check(error_of(client.call(*words)) == "NOAUTH Authentication required.",
                      "%s without a password" % words)
            check(error_of(client.call("HELLO", "3")).startswith("NOAUTH HELLO must be called"),
                  "HELLO without a password")
            for words in (["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "me", "open sesame"],
                          ["HELLO", "3", "AUTH", "default", "x"]):
                check(error_of(client.call(*words)).startswith("WRONGPASS "), str(words))
            check(error_of(client.call("GET", "a")).startswith("NOAUTH "), "after WRONGPASS")
            check(client.call("AUTH", "open sesame").text == "OK", "AUTH")
            check(client.call("GET", "a") is None, "after AUTH")
            check(client.call("RESET").text == "RESET", "RESET")
            check(error_of(client.call("GET", "a")).startswith("NOAUTH "), "after RESET")
        with varve.Client(server.port) as client:
            hello = client.call("HELLO", "3", "AUTH", "default", "open sesame", "SETNAME", "me")
            check(hello.kind == "%" and hello.items[:2] == [b"server", b"redis"], "HELLO 3 AUTH")
            # Who is in stays in; who comes needs the password of the day.
            check(client.call("CONFIG", "SET", "requirepass", "new").text == "OK", "CONFIG SET")
            check(client.call("GET", "a") is None, "after the password changed")
            with varve.Client(server.port) as late:
                check(error_of(late.call("AUTH", "open sesame")).startswith("WRONGPASS"), "old")
                check(late.call("AUTH", "new").text == "OK", "new")
            check(client.call("CONFIG", "SET", "requirepass", "").text == "OK", "CONFIG SET")
            with varve.Client(server.port) as late:
                check(late.call("GET", "a") is None, "no password any more")
                check(error_of(late.call("AUTH", "x")).startswith(
                    "ERR AUTH <password> called without any password configured"), "AUTH")
        server.stop()


def test_limits_before_password():
    """Whoever has not authenticated cannot make the server hold much."""
    with varve.Server(["--requirepass", "x"]) as server:
        replies = over_tcp(server, b"*1000\r\n")
        check(replies == b"-ERR Protocol error: unauthenticated multibulk length\r\n", replies)
        replies = over_tcp(server, b"*2\r\n$4\r\nAUTH\r\n$1000000\r\n")
        check(replies == b"-ERR Protocol error: unauthenticated bulk length\r\n", replies)
        server.stop()


def test_doors():
    """The same data behind TCP, IPv6 and a unix socket; or behind the socket alone."""
    with varve.Server() as server:
        server.stop()
        path = os.path.join(server.dir, "socket")
        server.flags = ["--bind", "127.0.0.1 -::1", "--unixsocket", path, "--unixsocketperm", "600"]
        server.start()
        check(over_tcp(server, b"SET a 1\r\n") == b"+OK\r\n", "TCP")
        check(talk(socket.AF_UNIX, path, b"GET a\r\n") == b"$1\r\n1\r\n", "unix socket")
        check(os.stat(path).st_mode & 0o777 == 0o600, "unixsocketperm")
        try:
            replies = talk(socket.AF_INET6, ("::1", server.port), b"GET a\r\n")
            check(replies == b"$1\r\n1\r\n", "IPv6")
        except OSError:
            pass  # No IPv6 here: `-` in front of the address asks for no more.
        server.stop()
        check(not os.path.exists(path), "the unix socket is left behind")


def test_protected_mode():
    """Without a password nobody from outside gets in, and is told why."""
    address = outside_address()
    if address is None:
        return
    with varve.Server() as server:
        server.stop()
        server.flags = ["--bind", "127.0.0.1 " + address]
        server.start()
        outside = (address, server.port)
        refusal = talk(socket.AF_INET, outside, b"")
        check(refusal.startswith(b"-DENIED ") and refusal.endswith(b"\r\n"), refusal)
        with varve.Client(server.port) as client:
            client.call("CONFIG", "SET", "requirepass", "x")
            replies = talk(socket.AF_INET, outside, b"AUTH x\r\nPING\r\n")
            check(replies == b"+OK\r\n+PONG\r\n", "with a password: %r" % replies)
            client.call("CONFIG", "SET", "requirepass", "")
            client.call("CONFIG", "SET", "protected-mode", "no")
            check(talk(socket.AF_INET, outside, b"PING\r\n") == b"+PONG\r\n", "unprotected")
        server.stop()


def test_maxclients():
    with varve.Server(["--maxclients", "10"]) as server:
        clients = []
        for _ in range(10):
            clients.append(varve.Client(server.port))
            check(clients[-1].call("PING").text == "PONG", "one of ten")
        check(over_tcp(server, b"") == b"-ERR max number of clients reached\r\n", "an eleventh")
        check(clients[0].call("CONFIG", "SET", "maxclients", "11").text == "OK", "CONFIG SET")
        check(over_tcp(server, b"PING\r\n") == b"+PONG\r\n", "an eleventh of eleven")
        clients.pop().close()
        clients.pop().close()
        deadline = time.monotonic() + varve.REPLY_TIMEOUT_S
        while over_tcp(server, b"PING\r\n") != b"+PONG\r\n":
            check(time.monotonic() < deadline, "no room though clients have gone")
        for client in clients:
            client.close()
        server.stop()


def main():
    for test in [test_password, test_limits_before_password, test_doors, test_protected_mode,
                 test_maxclients]:
        test()


if __name__ == "__main__":
    main()
