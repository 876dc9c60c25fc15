"""tests/unit/utils/bench.py: what utils/bench reads and writes, without running a server."""
import importlib.machinery
import importlib.util
import os
import socket
import sys
import tempfile

sys.dont_write_bytecode = True
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../utils/bench")


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"),
                                                  os.path.join(FOLDER, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


redis = load("bench-redis")
memory = load("bench-memory")
report = redis.report
failed = 0


def expect(why, want, got):
    global failed
    if want != got:
        failed += 1
        print("%s: wanted %r, got %r" % (why, want, got))


# As redis-benchmark 7.0 prints with --precision 3; the first line is overwritten as it runs.
OUTPUT = """GET: rps=0.0 (overall: -nan) avg_msec=-nan\r====== GET ======
  20000 requests completed in 0.07 seconds

Latency by percentile distribution:
0.000% <= 0.111 milliseconds (cumulative count 16)
50.000% <= 0.375 milliseconds (cumulative count 10000)
99.805% <= 11.407 milliseconds (cumulative count 19968)
99.902% <= 11.423 milliseconds (cumulative count 19984)
100.000% <= 11.439 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
100.000% <= 12.103 milliseconds (cumulative count 20000)

Summary:
  throughput summary: 273972.59 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        2.203     0.104     0.375    10.111    11.255    11.439
"""
expect("redis-benchmark's output",
       {"rps": 273972.59, "p50": 0.375, "p99": 11.255, "p99.9": 11.423, "max": 11.439},
       redis.parse_output(OUTPUT))

# ---- Which tests

for why, names, quick, want in [
    ("one depth", "set:16", False, ["SET, P=16"]),
    ("all depths", "set-always", False, ["SET, every write synced, P=1",
                                         "SET, every write synced, P=16"]),
    ("quick leaves some out", "", True, None),
]:
    got = [case.title for case in redis.choose_cases(names, quick)]
    expect(why, want or got, got)
expect("all", 17, len(redis.choose_cases("", False)))
for why, names in [("unknown test", "sot"), ("unknown depth", "set:3")]:
    try:
        redis.choose_cases(names, False)
        expect(why, "an exception", None)
    except redis.Failure:
        pass

# ---- Medians and ratios

case = redis.choose_cases("get:1", False)[0]
case.results = {"Varve": [{"rps": r} for r in (30, 10, 20)],
                "Redis": [{"rps": r} for r in (10, 10, 40)]}
expect("ratio of medians", 2.0, case.ratio("Varve", "Redis", "rps"))
expect("spread of the rounds' ratios", (0.5, 3.0), case.ratio_spread("Varve", "Redis", "rps"))

# ---- Parts of a document

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "B.md")

    def document():
        with open(path) as file:
            return file.read()
    report.write_part(path, "one", "first\n")
    expect("a new document has a head", True, document().startswith(report.HEAD))
    report.write_part(path, "two", "second")
    before = document()
    report.write_part(path, "one", "third")
    expect("only its own part is replaced", before.replace("first", "third"), document())

# ---- The load of bench-memory

expect("every key once", list(range(1000)), sorted(memory.jumping_order(1000)))
expect("one key", [0], list(memory.jumping_order(1)))
values = memory.Values(100)
expect("size of a value", {100}, {len(values(i, 1)) for i in range(0, 3000000, 99991)})
expect("values differ by key and pass", 3, len({values(1, 1), values(2, 1), values(1, 2)}))
for why, reply, wrong in [("right", b"$2\r\nab\r\n", False), ("another", b"$2\r\nax\r\n", True),
                          ("missing, so shorter", b"$-1\r\n", True), ("closed", b"$2\r\n", True)]:
    listener = socket.create_server(("127.0.0.1", 0))
    stream = memory.Stream(listener.getsockname()[1])
    server, _ = listener.accept()
    stream.send(b"?", b"$2\r\nab\r\n")
    server.recv(1)
    server.sendall(reply)
    server.close()
    try:
        stream.check()
        expect("a reply that is " + why, wrong, False)
    except memory.Failure:
        expect("a reply that is " + why, wrong, True)
    stream.socket.close()
    listener.close()

for text, want in [("256mb", 256 << 20), ("1gb", 1 << 30), ("32m", 32000000), ("7", 7)]:
    expect(text, want, memory.parse_size(text))

sys.exit(failed != 0)
