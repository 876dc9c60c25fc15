#!/usr/bin/env python3
"""Random commands to Varve and to redis-server: the replies must be the same to the byte.

    tests/integration/differential.py [--seconds S] [--seed N] [--steps N]

Streams of commands go to both, over RESP2 and RESP3, one command at a time, with arguments that are often right and
sometimes absurd. Where time or chance has a part in a reply, or Varve differs on purpose (docs/DIFFERENCES.md),
it is compared as COMPARE below says. Every command that both know has its place in COMMANDS or in LEFT_OUT,
with a reason there.

VARVE_DIFFERENTIAL_SECONDS sets the time for tests/run; without redis-server the test is skipped.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402

SKIPPED = 77
SECONDS = 60
STREAM_STEPS = 400  # after so many commands both are emptied
KEYS = [b"a", b"b", b"c", b"list", b"{t}1", b"{t}2", b"k" * 200, b"", b"\x00\xff bin"]
DATABASES = [b"0", b"1", b"3", b"15"]
MS_APART = 1500  # by which times that both reckon from their own clocks may differ


# ---- Arguments

class Arguments:
    """Draws arguments: mostly sensible ones."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def key(self):
        return self.random.choice(KEYS[:5] if self.random.random() < 0.8 else KEYS)

    def integer(self):
        if self.random.random() < 0.7:
            return b"%d" % self.random.randint(-20, 20)
        return self.pick(b"0", b"-0", b"+1", b"007", b"9223372036854775807", b"-9223372036854775808",
                         b"9223372036854775808", b"1.5", b"", b" 1", b"1 ", b"abc", b"0x10", b"-")

    def number(self):
        if self.random.random() < 0.6:
            return b"%g" % self.random.uniform(-100, 100)
        return self.pick(b"0", b"-0", b"1e3", b"1e308", b"-1e308", b"1e-300", b"inf", b"-inf", b"nan", b"1.5abc",
                         b"", b" 1", b"3.0", b"1" * 40, b"0.1", b"5e-324")

    def value(self):
        draw = self.random.random()
        if draw < 0.3:
            return self.integer()
        if draw < 0.4:
            return self.number()
        if draw < 0.97:
            return bytes(self.random.choices(b"ab\x00\r\n\xff", k=self.random.randint(0, 12)))
        return b"v" * self.pick(44, 45, 1000, 20000, 70000)

    def seconds(self):
        """Far from now, so that nothing expires while it is compared; or in the past."""
        if self.random.random() < 0.7:
            return b"%d" % self.random.randint(1000, 5000)
        return self.pick(b"0", b"-1", b"9223372036854775", b"9223372036854775807", b"x", b"1.5")

    def milliseconds(self):
        if self.random.random() < 0.7:
            return b"%d" % self.random.randint(1000000, 5000000)
        return self.pick(b"0", b"-1", b"9223372036854775807", b"x", b"")

    def unix_time(self, factor):
        if self.random.random() < 0.7:
            return b"%d" % (factor * (4000000000 + self.random.randint(0, 1000)))
        return self.pick(b"0", b"1", b"-1", b"9223372036854775807", b"x")

    def offset(self):
        return self.pick(b"0", b"1", b"5", b"100", b"-1", b"-100", b"536870912", b"4294967296", b"x")

    def some(self, draw, low=1, high=3):
        return [draw() for _ in range(self.random.randint(low, high))]

    def maybe(self, *words):
        return list(words) if self.random.random() < 0.3 else []

    def cased(self, word):
        draw = self.random.random()
        return word if draw < 0.7 else word.lower() if draw < 0.9 else word.title()

    def pattern(self):
        return self.pick(b"*", b"a*", b"?", b"[ab]", b"[^a]", b"{t}*", b"\\a", b"[a-c]*", b"", b"*\xff*", b"[")


def set_command(a):
    argv = [b"SET", a.key(), a.value()]
    for _ in range(a.random.randint(0, 3)):
        argv += a.pick([b"NX"], [b"XX"], [b"GET"], [b"KEEPTTL"], [b"EX", a.seconds()], [b"PX", a.milliseconds()],
                       [b"EXAT", a.unix_time(1)], [b"PXAT", a.unix_time(1000)], [b"EX"], [b"NOSUCH"])
    return argv


def getex_command(a):
    argv = [b"GETEX", a.key()]
    for _ in range(a.random.randint(0, 2)):
        argv += a.pick([b"PERSIST"], [b"EX", a.seconds()], [b"PX", a.milliseconds()], [b"EXAT", a.unix_time(1)],
                       [b"PXAT", a.unix_time(1000)], [b"PX"], [b"NOSUCH"])
    return argv


def expire_command(name, draw):
    return lambda a: [name, a.key(), draw(a)] + a.maybe(a.pick(b"NX", b"XX", b"GT", b"LT", b"XY"))


def copy_command(a):
    argv = [b"COPY", a.key(), a.key()] + a.maybe(b"REPLACE")
    return argv + a.maybe(b"DB", a.pick(*DATABASES, b"16", b"x", b"-1"))


def lcs_command(a):
    argv = [b"LCS", a.key(), a.key()]
    for _ in range(a.random.randint(0, 3)):
        argv += a.pick([b"LEN"], [b"IDX"], [b"WITHMATCHLEN"], [b"MINMATCHLEN", a.integer()], [b"NOSUCH"])
    return argv


def transaction(a):
    """A whole one, as a list of commands."""
    commands = [[b"WATCH", a.key()]] if a.random.random() < 0.3 else []
    if commands and a.random.random() < 0.3:
        commands.append([b"SET", a.key(), a.value()])
    commands.append([b"MULTI"])
    names = [name for name in COMMANDS if name not in NOT_IN_MULTI]
    commands += [COMMANDS[a.random.choice(names)](a) for _ in range(a.random.randint(0, 4))]
    commands += a.maybe([b"WATCH", a.key()])
    commands += a.maybe([b"MULTI"])
    commands.append([a.pick(b"EXEC", b"EXEC", b"EXEC", b"DISCARD")])
    return commands


COMMANDS = {
    b"append": lambda a: [b"APPEND", a.key(), a.value()],
    b"copy": copy_command,
    b"dbsize": lambda a: [b"DBSIZE"],
    b"decr": lambda a: [b"DECR", a.key()],
    b"decrby": lambda a: [b"DECRBY", a.key(), a.integer()],
    b"del": lambda a: [b"DEL"] + a.some(a.key),
    b"discard": lambda a: [b"DISCARD"],
    b"echo": lambda a: [b"ECHO", a.value()],
    b"exec": lambda a: [b"EXEC"],
    b"exists": lambda a: [b"EXISTS"] + a.some(a.key),
    b"expire": expire_command(b"EXPIRE", Arguments.seconds),
    b"expireat": expire_command(b"EXPIREAT", lambda a: a.unix_time(1)),
    b"expiretime": lambda a: [b"EXPIRETIME", a.key()],
    b"flushall": lambda a: [b"FLUSHALL"] + a.maybe(a.pick(b"ASYNC", b"SYNC", b"NOSUCH")),
    b"flushdb": lambda a: [b"FLUSHDB"] + a.maybe(a.pick(b"ASYNC", b"SYNC", b"NOSUCH")),
    b"get": lambda a: [b"GET", a.key()],
    b"getdel": lambda a: [b"GETDEL", a.key()],
    b"getex": getex_command,
    b"getrange": lambda a: [b"GETRANGE", a.key(), a.integer(), a.integer()],
    b"getset": lambda a: [b"GETSET", a.key(), a.value()],
    b"incr": lambda a: [b"INCR", a.key()],
    b"incrby": lambda a: [b"INCRBY", a.key(), a.integer()],
    b"incrbyfloat": lambda a: [b"INCRBYFLOAT", a.key(), a.number()],
    b"keys": lambda a: [b"KEYS", a.pattern()],
    b"lcs": lcs_command,
    b"mget": lambda a: [b"MGET"] + a.some(a.key),
    b"move": lambda a: [b"MOVE", a.key(), a.pick(*DATABASES, b"16", b"x")],
    b"mset": lambda a: [b"MSET"] + [x for _ in range(a.random.randint(1, 3)) for x in (a.key(), a.value())] +
                       a.maybe(a.key()),
    b"msetnx": lambda a: [b"MSETNX"] + [x for _ in range(a.random.randint(1, 3)) for x in (a.key(), a.value())] +
                         a.maybe(a.key()),
    b"multi": lambda a: [b"MULTI"],
    b"persist": lambda a: [b"PERSIST", a.key()],
    b"pexpire": expire_command(b"PEXPIRE", Arguments.milliseconds),
    b"pexpireat": expire_command(b"PEXPIREAT", lambda a: a.unix_time(1000)),
    b"pexpiretime": lambda a: [b"PEXPIRETIME", a.key()],
    b"ping": lambda a: [b"PING"] + a.maybe(a.value()),
    b"psetex": lambda a: [b"PSETEX", a.key(), a.milliseconds(), a.value()],
    b"pttl": lambda a: [b"PTTL", a.key()],
    b"randomkey": lambda a: [b"RANDOMKEY"],
    b"rename": lambda a: [b"RENAME", a.key(), a.key()],
    b"renamenx": lambda a: [b"RENAMENX", a.key(), a.key()],
    b"select": lambda a: [b"SELECT", a.pick(*DATABASES, b"16", b"-1", b"x", b"99999999999")],
    b"set": set_command,
    b"setex": lambda a: [b"SETEX", a.key(), a.seconds(), a.value()],
    b"setnx": lambda a: [b"SETNX", a.key(), a.value()],
    b"setrange": lambda a: [b"SETRANGE", a.key(), a.offset(), a.pick(b"", b"x", b"patch")],
    b"strlen": lambda a: [b"STRLEN", a.key()],
    b"substr": lambda a: [b"SUBSTR", a.key(), a.integer(), a.integer()],
    b"swapdb": lambda a: [b"SWAPDB", a.pick(*DATABASES, b"16", b"x"), a.pick(*DATABASES, b"99", b"y")],
    b"touch": lambda a: [b"TOUCH"] + a.some(a.key),
    b"ttl": lambda a: [b"TTL", a.key()],
    b"type": lambda a: [b"TYPE", a.key()],
    b"unlink": lambda a: [b"UNLINK"] + a.some(a.key),
    b"unwatch": lambda a: [b"UNWATCH"],
    b"watch": lambda a: [b"WATCH"] + a.some(a.key),
}

# Their replies within EXEC would have to be compared in another way.
NOT_QUEUED = {b"dbsize", b"keys", b"randomkey", b"ttl", b"pttl", b"expiretime", b"pexpiretime"}
NOT_IN_MULTI = NOT_QUEUED | {b"multi", b"exec", b"discard", b"watch"}

LEFT_OUT = {
    b"auth": "no password is set; tests/scripts/connection/auth.script",
    b"bgsave": "checkpoints instead of RDB files: docs/DIFFERENCES.md",
    b"client": "ids, addresses and ages; tests/scripts/connection/client.script",
    b"command": "Varve has fewer commands; tests/scripts/admin/command.script",
    b"config": "options are Varve's own",
    b"debug": "DEBUG SLEEP is all there is",
    b"hello": "sent at the start of each stream; names server and version",
    b"info": "figures",
    b"lastsave": "a time",
    b"latency": "times; tests/scripts/server/latency.script",
    b"object": "encodings are derived from bytes: docs/DIFFERENCES.md",
    b"quit": "ends the stream",
    b"reset": "tests/scripts/connection/reset.script",
    b"save": "as bgsave",
    b"scan": "cursors are Varve's own; tests/scripts/keys/scan.script",
    b"shutdown": "ends the server",
    b"time": "a time",
}


# ---- Two servers, spoken to in bytes

class Wire(varve.Client):
    """A connection that gives replies as they came."""

    def call(self, argv):
        self.send(*argv)
        return self.read()

    def read(self):
        line = self._in.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if rest == b"-1":
            return line
        if kind in (b"$", b"="):
            return line + self.receive(int(rest) + 2)
        if kind in (b"*", b"~", b">", b"%"):
            count = int(rest) * (2 if kind == b"%" else 1)
            return line + b"".join(self.read() for _ in range(count))
        return line


class Redis:
    def __init__(self, directory):
        self.port = varve.free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory, "--save", "",
             "--appendonly", "no", "--daemonize", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + varve.START_TIMEOUT_S
        while True:
            try:
                varve.Client(self.port).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise varve.Failure("redis-server does not start")
                time.sleep(0.01)

    def close(self):
        self.process.kill()
        self.process.wait()


# ---- Comparing

def same(argv, ours, theirs):
    """Whether the two replies say the same."""
    if ours == theirs:
        return True
    name = argv[0].lower()
    if name in (b"ttl", b"pttl", b"expiretime", b"pexpiretime"):
        if ours[:1] != b":" or theirs[:1] != b":":
            return False
        factor = 1 if name.startswith(b"p") else 1000
        one, other = int(ours[1:-2]), int(theirs[1:-2])
        return min(one, other) > 0 and abs(one - other) * factor <= MS_APART
    if name == b"keys":
        return elements(ours) == elements(theirs)
    if name == b"randomkey":  # Any key will do; whether there is one is not left to chance.
        return ours[:1] == theirs[:1] and (b"-1" in ours[:3]) == (b"-1" in theirs[:3])
    return False


def elements(reply):
    """Those of an array of bulk strings, sorted."""
    header, rest = reply.split(b"\r\n", 1)
    found = []
    while rest:
        size, rest = rest.split(b"\r\n", 1)
        if not size.startswith(b"$"):
            return [header, size, rest]
        found.append(rest[:int(size[1:])])
        rest = rest[int(size[1:]) + 2:]
    return [header] + sorted(found)


def run_stream(seed, steps, ours_port, theirs_port):
    """Returns how many commands were compared; raises with what differs."""
    a = Arguments(seed)
    ours, theirs = Wire(ours_port), Wire(theirs_port)
    told = []
    compared = 0
    try:
        if a.random.random() < 0.5:
            for wire in (ours, theirs):
                wire.call([b"HELLO", b"3"])
        for wire in (ours, theirs):
            wire.call([b"FLUSHALL"])
        names = sorted(COMMANDS)
        in_multi = watching = False
        while compared < steps:
            if a.random.random() < 0.1:
                commands = transaction(a)
            else:
                commands = [COMMANDS[a.random.choice(names)](a)]
            for argv in commands:
                # EXEC may abort then where Redis' does not: docs/DIFFERENCES.md.
                if watching and argv[0] == b"SWAPDB":
                    continue
                if in_multi and argv[0].lower() in NOT_QUEUED:
                    continue
                argv = [a.cased(argv[0])] + argv[1:]
                if a.random.random() < 0.01:
                    argv = argv[:-1] or argv
                elif a.random.random() < 0.01:
                    argv = argv + [a.value()]
                reply, expected = ours.call(argv), theirs.call(argv)
                told.append((argv, reply, expected))
                compared += 1
                if argv[0].lower() == b"dbsize" and reply != expected:
                    # Keys that are born with a time that has passed go in a moment, each server's own.
                    time.sleep(1)
                    reply, expected = ours.call(argv), theirs.call(argv)
                if not same(argv, reply, expected):
                    raise varve.Failure(explain(seed, told))
                name = argv[0].lower()
                ends = name == b"unwatch" and reply == b"+OK\r\n" or in_multi and name in (b"exec", b"discard")
                watching = name == b"watch" or watching and not ends
                if name in (b"multi", b"exec", b"discard"):
                    in_multi = name == b"multi"
    finally:
        ours.close()
        theirs.close()
    return compared


def explain(seed, told):
    lines = ["seed %d; the last commands, and what was answered:" % seed]
    for argv, reply, expected in told[-15:]:
        lines.append("  %r" % (b" ".join(argv)[:200],))
        lines.append("      %r" % (reply[:200],))
        if reply != expected:
            lines.append("  Redis: %r" % (expected[:200],))
    return "\n".join(lines)


def check_all_known(ours_port, theirs_port):
    """Whatever both know is compared, or left out for a reason."""
    def names(port):
        with varve.Client(port) as client:
            return {row.items[0] for row in client.call("COMMAND").items}
    both = names(ours_port) & names(theirs_port)
    unknown = both - set(COMMANDS) - set(LEFT_OUT)
    if unknown:
        raise varve.Failure("neither in COMMANDS nor in LEFT_OUT: %s" % sorted(unknown))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("VARVE_DIFFERENTIAL_SECONDS", SECONDS)))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int, default=STREAM_STEPS)
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        print("needs redis-server")
        return SKIPPED
    directory = tempfile.mkdtemp(prefix="varve-differential-")
    redis = Redis(directory)
    try:
        with varve.Server() as server:
            check_all_known(server.port, redis.port)
            if options.seed is not None:
                run_stream(options.seed, options.steps, server.port, redis.port)
                return 0
            seed, compared, streams = time.time_ns(), 0, 0
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                compared += run_stream(seed + streams, options.steps, server.port, redis.port)
                streams += 1
            print("%d streams, %d commands compared" % (streams, compared))
            server.stop()
    finally:
        redis.close()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except varve.Failure as failure:
        print(failure)
        sys.exit(1)
