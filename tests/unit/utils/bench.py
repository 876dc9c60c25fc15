"""tests/unit/utils/bench.py: what utils/bench reads and writes, without running a server."""
import importlib.machinery
import importlib.util
import os
import socket
import sys
import tempfile
import xml.etree.ElementTree

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
engine = load("bench-engine")
cold = load("bench-cold")
pace = load("bench-pace")
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
expect("median of the rounds' ratios", 1.0, case.ratio("Varve", "Redis", "rps"))
expect("spread of the rounds' ratios", (0.5, 3.0), case.ratio_spread("Varve", "Redis", "rps"))


def is_close(rates, latencies):
    """Against a Redis of 10 requests a second and 10 ms; the gates are 1.0x."""
    case.results = {"Varve": [{"rps": r, "p99.9": ms} for r, ms in zip(rates, latencies)],
                    "Redis": [{"rps": 10, "p99.9": 10}] * len(rates)}
    return case.is_close_race("Varve", "Redis")


expect("all rounds meet both gates", False, is_close((10, 12, 11), (9, 10, 8)))
expect("all rounds miss both gates", False, is_close((9, 8, 9), (11, 12, 13)))
expect("rounds disagree about the rate", True, is_close((10, 9, 11), (9, 9, 9)))
expect("rounds disagree about the latency", True, is_close((11, 11, 11), (9, 11, 9)))

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

# ---- The programs of bench-engine

STORES_OUTPUT = """------------------------------------------------
fillrandom   :       4.963 micros/op 201479 ops/sec 24.817 seconds 5000000 operations;   22.3 MB/s
readrandom   :       5.000 micros/op 200000 ops/sec 25.000 seconds 5000000 operations;   19.1 MB/s (4323160 of 5000000 found)
readrandom   :       2.500 micros/op 400000 ops/sec 12.500 seconds 5000000 operations;   38.3 MB/s (4323160 of 5000000 found)
fillsync     :     100.000 micros/op;    1.1 MB/s
readwhilewriting :       8.000 micros/op 125000 ops/sec 8.000 seconds 1000000 operations;   11.9 MB/s
Cumulative writes: 1000K writes, 1000K keys, 1000K commit groups
"""
stores = engine.stores
expect("rates, of the second run where there are two",
       {"fillrandom": 201479, "readrandom": 400000, "fillsync": 500000, "readwhilewriting": 125000},
       stores.parse_rates(STORES_OUTPUT, 50))
expect("RocksDB's writer", 125000, stores.RocksDb().written_beside(STORES_OUTPUT))
expect("Varve's writer", 70000, stores.Varve([]).written_beside(
    "readwhilewriting :       8.000 micros/op 70000 ops/sec;   11.9 MB/s (9 of 9 found) "
    "beside 70000 writes/sec\n"))
expect("live keys", 864665, round(engine.live_bytes(1000000) / 116))
for why, names in [("unknown phase", "sek"), ("no data to read", "read")]:
    try:
        engine.choose_phases(names)
        expect(why, "an exception", None)
    except engine.Failure:
        pass

options = type("Options", (), {"phases": "random,read", "flags": "", "num": 1000000, "rounds": 2})
run = engine.Run(options)
run.machine, run.versions = "A machine", {"Varve": "Varve 0", "RocksDB": "RocksDB 7"}
run.others = [stores.RocksDb()]
run.results = {("Varve", "random/fillrandom"): [300, 200], ("RocksDB", "random/fillrandom"): [100, 100],
               ("Varve", "random/wchar"): [232e6] * 2, ("RocksDB", "random/wchar"): [116e6] * 2,
               ("Varve", "read/wchar"): [0, 0], ("RocksDB", "read/wchar"): [0, 0]}
run.rows = [row for row in run.rows if row.workload == "fillrandom"]
expect("ratio to the better one", (2.5, 2.0, 3.0), run.ratio_of(run.rows[0]))
expect("more written is worse", (2.0, 2.0, 2.0), run.ratio("written", "written", min))
expect("gates", [True, False], list(run.verdicts()))
expect("a table without LevelDB", True, "| fillrandom | 100 (100-100) | - | 250 (200-300) | "
       "**2.50x** (2.00-3.00) | >= 2.5x | met |" in run.markdown())

# ---- bench-cold and bench-pace

expect("fio's jobs add up, whatever stands in front of them", 3000.5, cold.parse_fio(
    'fio: this and that\n{"jobs": [{"read": {"iops": 1000.5}}, {"read": {"iops": 2000}}]}'))
for why, second, want in [("before all", 0.5, 0), ("at one", 2, 20), ("between two", 2.5, 20),
                          ("behind all", 9, 30)]:
    expect("live bytes " + why, want, pace.bytes_at([(1, 10), (2, 20), (3, 30)], second))

plot = cold.plot
panel = plot.Panel("ms", [("p50", [(0, 0.2), (1, 0.4)]), ("max", [(0, 3), (1, 70)])], [(100, "most")],
                   logarithmic=True)
expect("whole decades around all values", (0.1, 100), tuple(round(v, 9) for v in panel.range()))
expect("ticks", [0.1, 1, 10, 100], [round(tick, 9) for tick in panel.ticks()])
expect("heights", [0, 0.333, 1], [round(panel.height_of(v), 3) for v in (0, 1, 100)])
expect("a linear one begins at 0", (0, 80), plot.Panel("", [("", [(0, 70.5)])]).range())
expect("an empty one too", (0, 1), plot.Panel("", [("", [])]).range())
many = [(second, second % 7) for second in range(10 * plot.POINTS_MAX)]
expect("few points stay", plot.POINTS_MAX, len(plot._thin(many)))
expect("the greatest of them", {6}, {value for _, value in plot._thin(many)})
expect("all of a few", many[:5], plot._thin(many[:5]))
drawn = plot.svg("a < b", [panel, plot.Panel("RSS", [("RSS", [(0, 1)])])],
                 [(0, 0.5, "load"), (0.5, 1, "reads")])
expect("a picture is XML", "svg", xml.etree.ElementTree.fromstring(drawn).tag.split("}")[1])
expect("of all lines", 3, drawn.count("<polyline"))

for text, want in [("256mb", 256 << 20), ("1gb", 1 << 30), ("32m", 32000000), ("7", 7)]:
    expect(text, want, memory.parse_size(text))

sys.exit(failed != 0)
