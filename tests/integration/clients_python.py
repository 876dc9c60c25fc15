#!/usr/bin/env python3
"""What a program in Python does with redis-py: connect in every way, authenticate, pipeline, scan,
WATCH and MULTI, large values."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import redis  # noqa: E402
import varve  # noqa: E402
from varve import check  # noqa: E402

MEGABYTE = 1 << 20
KEYS = 5000


def raises(kind, call, *args):
    try:
        result = call(*args)
    except kind as error:
        return str(error)
    raise varve.Failure("%s, not %s" % (result, kind.__name__))


def test_types(r):
    check(r.ping() is True, "PING")
    check(r.set("a", b"\0\r\n") is True and r.get("a") == b"\0\r\n", "binary value")
    check(r.get("nobody") is None, "a missing key")
    check(r.set("a", 1, nx=True) is None, "SET NX on a key that is there")
    check(r.set("a", 2, get=True) == b"\0\r\n", "SET GET")
    check(r.incr("a", 40) == 42 and r.incrbyfloat("a", 0.5) == 42.5, "numbers")
    check(r.mset({"b": 1, "c": 2}) and r.mget("b", "x", "c") == [b"1", None, b"2"], "MSET, MGET")
    check(r.expire("b", 100) is True and 0 < r.ttl("b") <= 100, "EXPIRE, TTL")
    check(r.type("b") == b"string" and r.exists("a", "b", "x") == 2, "TYPE, EXISTS")
    check(r.rename("b", "d") is True and r.delete("a", "c", "d", "x") == 3, "RENAME, DEL")
    r.set("text", "abc")
    check("not an integer" in raises(redis.ResponseError, r.incr, "text"), "INCR of a text")


def test_server_commands(r):
    """What redis-py reads into structures of its own."""
    info = r.info()
    check(info["redis_version"].startswith("7.") and "varve_version" in info, "INFO")
    check(r.info("keyspace") != {} or r.dbsize() == 0, "INFO keyspace")
    check(r.config_get("databases") == {"databases": "16"}, "CONFIG GET")
    check(r.config_set("timeout", 0) is True, "CONFIG SET")
    check(r.client_setname("me") is True and r.client_getname() == "me", "CLIENT SETNAME")
    me = [c for c in r.client_list() if c["id"] == str(r.client_id())]
    check(len(me) == 1 and me[0]["name"] == "me", "CLIENT LIST")
    check(r.client_info()["resp"] == "2", "CLIENT INFO")
    commands = r.command()
    check(commands["get"]["arity"] == 2 and "readonly" in commands["get"]["flags"], "COMMAND")
    check(r.command_count() == len(commands), "COMMAND COUNT")
    check(r.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"], "COMMAND GETKEYS")
    check(len(r.time()) == 2 and r.lastsave() is not None, "TIME, LASTSAVE")


def test_pipeline(r):
    r.flushdb()
    with r.pipeline(transaction=False) as p:
        for i in range(KEYS):
            p.set("key:%d" % i, i)
        check(p.execute() == [True] * KEYS, "a pipeline of SETs")
        for i in range(KEYS):
            p.get("key:%d" % i)
        check(p.execute() == [b"%d" % i for i in range(KEYS)], "a pipeline of GETs")
        p.set("text", "abc").incr("text").get("text")
        replies = p.execute(raise_on_error=False)
        check(replies[0] is True and isinstance(replies[1], redis.ResponseError) and
              replies[2] == b"abc", "an error within a pipeline: %r" % replies)
    r.delete("text")


def test_scan(r):
    want = sorted(b"key:%d" % i for i in range(KEYS))
    check(sorted(r.scan_iter()) == want, "SCAN")
    check(sorted(r.scan_iter(count=1000)) == want, "SCAN COUNT")
    check(sorted(r.scan_iter(match="key:12*")) == [k for k in want if k.startswith(b"key:12")],
          "SCAN MATCH prefix")
    check(sorted(r.scan_iter(match="*9")) == [k for k in want if k.endswith(b"9")], "SCAN MATCH")
    check(sorted(r.scan_iter(_type="string")) == want and not list(r.scan_iter(_type="list")),
          "SCAN TYPE")
    check(r.dbsize() == KEYS and sorted(r.keys("*")) == want, "DBSIZE, KEYS")
    check(r.randomkey() in want, "RANDOMKEY")


def test_transactions(r, other):
    r.set("stock", 10)
    with r.pipeline() as p:
        p.watch("stock")
        p.multi()
        p.decr("stock").set("sold", 1)
        check(p.execute() == [9, True], "EXEC")

        p.watch("stock")
        left = int(p.get("stock"))
        other.set("stock", 0)
        p.multi()
        p.set("stock", left - 1)
        raises(redis.WatchError, p.execute)
        check(r.get("stock") == b"0", "a transaction that met a conflict has written")

        p.multi()
        p.set("stock", 1)
        p.reset()  # DISCARD
    check(r.get("stock") == b"0", "a discarded transaction has written")
    # redis-py watches, runs, and tries again until nobody interferes.
    check(r.transaction(lambda p: (p.multi(), p.incr("stock")), "stock") == [1], "transaction()")


def test_databases(r, port):
    with redis.Redis(port=port, db=3) as third:
        third.set("here", 1)
        check(r.get("here") is None and third.dbsize() == 1, "database 3")
        r.swapdb(0, 3)
        check(r.get("here") == b"1", "SWAPDB")
        r.swapdb(0, 3)
        check(third.flushdb() is True and third.dbsize() == 0, "FLUSHDB")


def test_large(r):
    value = os.urandom(64 * MEGABYTE)
    check(r.set("large", value) is True and r.get("large") == value, "64 MB")
    check(r.getrange("large", 1000, 1999) == value[1000:2000], "GETRANGE")
    check(r.delete("large") == 1, "DEL")


def test_ways_in(server, socket_path):
    with redis.Redis(unix_socket_path=socket_path) as r:
        r.set("by", "unix socket")
    with redis.Redis.from_url("redis://127.0.0.1:%d/0" % server.port, decode_responses=True) as r:
        check(r.get("by") == "unix socket", "from_url")
    try:
        with redis.Redis(host="::1", port=server.port) as r:
            check(r.get("by") == b"unix socket", "IPv6")
    except redis.ConnectionError:
        pass  # No IPv6 here.


def test_password():
    with varve.Server(["--requirepass", "open sesame"]) as server:
        with redis.Redis(port=server.port) as r:
            check("Authentication required" in raises(redis.AuthenticationError, r.ping), "NOAUTH")
        with redis.Redis(port=server.port, password="wrong") as r:
            check("WRONGPASS" in raises(redis.RedisError, r.ping), "a wrong password")
        for name in (None, "default"):
            with redis.Redis(port=server.port, username=name, password="open sesame") as r:
                check(r.ping() is True, "AUTH as %s" % name)
        server.stop()


def main():
    with varve.Server() as server:
        server.stop()
        socket_path = os.path.join(server.dir, "socket")
        server.flags = ["--bind", "127.0.0.1 -::1", "--unixsocket", socket_path]
        server.start()
        with redis.Redis(port=server.port) as r, redis.Redis(port=server.port) as other:
            test_types(r)
            test_server_commands(r)
            test_pipeline(r)
            test_scan(r)
            test_transactions(r, other)
            test_databases(r, server.port)
            test_large(r)
        test_ways_in(server, socket_path)
        server.stop()
    test_password()


if __name__ == "__main__":
    main()
