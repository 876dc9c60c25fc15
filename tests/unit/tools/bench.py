"""tests/unit/tools/bench.py: varve-tool bench runs every workload, and says what it cannot do."""
import json
import os
import re
import subprocess
import sys
import tempfile

TOOL = os.path.abspath(os.environ.get("VARVE_TOOL", "build/varve-tool"))
WORKLOADS = ["fillseq", "readseq", "readreverse", "fillrandom", "overwrite", "waitforcompaction",
             "readrandom", "readmissing", "seekrandom", "readwhilewriting", "fillsync"]
failed = 0


def expect(why, want, got):
    global failed
    if want != got:
        failed += 1
        print("%s: wanted %r, got %r" % (why, want, got))


def bench(folder, *arguments):
    return subprocess.run([TOOL, "bench"] + list(arguments), cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def expect_error(why, folder, wanted, *arguments):
    done = bench(folder, *arguments)
    expect(why + ": exit code", 1, done.returncode)
    expect(why + ": one line", "varve-tool bench: %s\n" % wanted, done.stderr)


def lines_of(done):
    return re.findall(r"^(\w+) +: +[\d.]+ micros/op \d+ ops/sec;", done.stdout, re.M)


with tempfile.TemporaryDirectory() as folder:
    # ---- All workloads, on a database that goes away

    done = bench(folder, "--num=2000", "--seek_nexts=1", "--benchmarks=" + ",".join(WORKLOADS))
    expect("exit code", (0, ""), (done.returncode, done.stderr))
    expect("a line each", WORKLOADS, lines_of(done))
    for name, found in [("readmissing", "(0 of 2000 found)"), ("readwhilewriting", "writes/sec")]:
        line = next(line for line in done.stdout.splitlines() if line.startswith(name))
        expect(name + " says what it found", True, found in line)
    expect("statistics", ["log", "tables", "blocks", "space", "disk", "memory"],
           re.findall(r"^(?!device)(\w+) +: (?!.*micros/op)", done.stdout, re.M))
    expect("nothing is left behind", [], os.listdir(folder))

    # ---- A database that stays, and fewer writers than threads would be

    kept = "--db=" + os.path.join(folder, "kept")
    done = bench(folder, kept, "--num=2000", "--benchmarks=fillseq", "--sync", "--writers=50",
                 "--write_buffer_size=1mb", "--value_size=2000", "--json")
    expect("synced", 0, done.returncode)
    figures = json.loads(done.stdout)
    expect("every write counts", ("fillseq", 2000),
           tuple(figures["workloads"][0][field] for field in ("name", "operations")))
    expect("live keys", (2000, 2000 * 2016),
           tuple(figures["statistics"][field] for field in ("live_keys", "live_bytes")))

    done = bench(folder, kept, "--num=2000", "--value_size=2000", "--use_existing_db=1",
                 "--benchmarks=fillrandom,readrandom,readrandom", "--reads=500", "--prefetch=16",
                 "--statistics=0")
    expect("reopened", 0, done.returncode)
    expect("what would begin anew is left out", ["readrandom"] * 2, lines_of(done))
    expect("all is found", 2, done.stdout.count("(500 of 500 found)"))

    done = bench(folder, kept, "--num=2000", "--use_existing_db=1", "--benchmarks=readrandom")
    expect("values of another size are noticed", (1, True),
           (done.returncode, "a value that is not its own" in done.stderr))

    # ---- What it cannot do

    for why, wanted, argument in [
            ("unknown option", "no option '--nom=1'; --help lists them", "--nom=1"),
            ("no number", "--num wants a number from 1, not 'x'", "--num=x"),
            ("no option at all", "what is 'fillseq'? Options are --NAME=VALUE", "fillseq"),
            ("unknown workload", "no workload 'fillsek'; --help lists them", "--benchmarks=fillsek"),
            ("keys too short", "--key_size is too small for --num different keys",
             "--num=1000000000")]:
        expect_error(why, folder, wanted, argument, "--key_size=8")
    foreign = os.path.join(folder, "foreign")
    os.mkdir(foreign)
    with open(os.path.join(foreign, "000001.log"), "w") as file:
        file.write("precious")
    expect_error("somebody else's data", folder,
                 foreign + ": holds something that no bench has made", "--db=" + foreign)
    expect("which are left alone", ["000001.log"], os.listdir(foreign))

sys.exit(failed != 0)
