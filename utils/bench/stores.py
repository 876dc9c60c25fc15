"""utils/bench/stores.py: engines that a bench program of their own drives, and how to talk to each.

    Varve     varve-tool bench
    RocksDB   db_bench of Debian's rocksdb-tools
    LevelDB   db_bench of Debian's source package leveldb, built below build/deps when first needed

All three take the same workloads by the same names, and print a line for each.
"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from servers import TOP, Failure

MB = 2**20
KEY_BYTES = 16
VALUE_BYTES = 100
BLOOM_BITS = 10
WRITE_BUFFER_BYTES = 64 * MB
CACHE_BYTES = 1024 * MB
# What the others take beside their cache: the buffer being filled and the one being flushed.
MEMORY_LIMIT_BYTES = CACHE_BYTES + 2 * WRITE_BUFFER_BYTES

LEVELDB_DIR = os.path.join(TOP, "build/deps/leveldb")
BUILD_TIMEOUT_S = 900


class Store:
    """`program` is None where there is none, and `problem` says why."""
    name = program = problem = None
    tables = ""  # how the names of its tables end
    settle = []  # a workload that waits until compactions have ended, if it has one
    after_mixed = []

    def command(self, directory, workloads, num, reads, threads, existing, seed):
        raise NotImplementedError

    def version(self, output):
        """From what it printed: 'RocksDB 7.8'."""
        match = re.search(self.name + r":\s+version ([\d.]+)", output)
        return "%s %s" % (self.name, match.group(1) if match else "of an unknown version")

    def written_beside(self, _output):
        """How many writes it says it made, or None."""
        return None


class Varve(Store):
    name = "Varve"
    tables = ".table"
    settle = ["waitforcompaction"]

    def __init__(self, flags):
        # It runs in a directory of its own.
        self.program = os.path.abspath(
            os.environ.get("VARVE_TOOL", os.path.join(TOP, "build/varve-tool")))
        self.flags = flags

    def command(self, directory, workloads, num, reads, threads, existing, seed):
        return [self.program, "bench", "--benchmarks=" + ",".join(workloads), "--db=" + directory,
                "--num=%d" % num, "--reads=%d" % reads, "--writers=%d" % threads,
                "--use_existing_db=%d" % existing, "--key_size=%d" % KEY_BYTES,
                "--value_size=%d" % VALUE_BYTES, "--compression_ratio=0.5",
                "--write_buffer_size=%d" % WRITE_BUFFER_BYTES, "--cache_size=%d" % CACHE_BYTES,
                "--memory_limit=%d" % MEMORY_LIMIT_BYTES, "--seed=%d" % seed,
                "--statistics=0"] + self.flags

    def version(self, _output):
        text = subprocess.run([self.program, "version"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        return "Varve " + text.split()[1]

    def written_beside(self, output):
        match = re.search(r"^readwhilewriting .* beside (\d+) writes/sec", output, re.M)
        return float(match.group(1)) if match else None


class DbBench(Store):
    def command(self, directory, workloads, num, reads, threads, existing, seed):
        return [self.program, "--benchmarks=" + ",".join(workloads), "--db=" + directory,
                "--num=%d" % num, "--reads=%d" % reads, "--threads=%d" % threads,
                "--use_existing_db=%d" % existing, "--value_size=%d" % VALUE_BYTES,
                "--compression_ratio=0.5", "--write_buffer_size=%d" % WRITE_BUFFER_BYTES,
                "--cache_size=%d" % CACHE_BYTES, "--bloom_bits=%d" % BLOOM_BITS]


class RocksDb(DbBench):
    name = "RocksDB"
    tables = ".sst"
    settle = ["waitforcompaction"]
    after_mixed = ["stats"]

    def __init__(self):
        self.program = shutil.which("db_bench")
        if not self.program:
            self.problem = "no db_bench in the path: install rocksdb-tools"

    def command(self, directory, workloads, num, reads, threads, existing, seed):
        command = super().command(directory, workloads, num, reads, threads, existing, seed)
        if "fillsync" in workloads:  # the others make so many of their own accord
            command.append("--writes=%d" % (num // 1000))
        return command + ["--key_size=%d" % KEY_BYTES, "--seed=%d" % seed]

    def written_beside(self, output):
        """Per second of readwhilewriting: the only writer of its process."""
        seconds = re.search(r"^readwhilewriting .* ([\d.]+) seconds", output, re.M)
        writes = re.search(r"^Cumulative writes: (\d+)([KMG]?) writes", output, re.M)
        if not (seconds and writes):
            return None
        factor = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[writes.group(2)]
        return int(writes.group(1)) * factor / float(seconds.group(1))


class LevelDb(DbBench):
    name = "LevelDB"
    tables = ".ldb"

    def __init__(self, say):
        self.program = os.path.join(LEVELDB_DIR, "db_bench")
        if os.access(self.program, os.X_OK):
            return
        try:
            build_leveldb(say)
        except (Failure, OSError, subprocess.TimeoutExpired) as problem:
            self.program, self.problem = None, "its db_bench could not be built: %s" % problem


# ---- What a run printed

LINE = re.compile(r"^(\w+)\s*:\s*([\d.]+) micros/op(?:;? *([\d.]+) ops/sec)?")


def parse_rates(output, threads):
    """{workload: operations a second}; of a workload that ran twice, the second time.

    LevelDB gives only the time that an operation took; with several threads, one of them."""
    rates = {}
    for line in output.splitlines():
        match = LINE.match(line)
        if match and float(match.group(2)) > 0:
            name, micros, rate = match.groups()
            rates[name] = float(rate) if rate else threads * 1e6 / float(micros)
    return rates


# ---- LevelDB's db_bench

def build_leveldb(say):
    """From Debian's source package, fetched with a list of sources of our own: the system's apt
    neither learns of it nor keeps anything."""
    say("building LevelDB's db_bench in " + LEVELDB_DIR)
    os.makedirs(LEVELDB_DIR, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LEVELDB_DIR, prefix="build-") as folder:
        source = fetch_leveldb(folder)
        library = os.path.join(folder, "library")
        run(["cmake", "-S", source, "-B", library, "-DCMAKE_BUILD_TYPE=Release",
             "-DLEVELDB_BUILD_TESTS=OFF", "-DLEVELDB_BUILD_BENCHMARKS=OFF",
             "-DLEVELDB_INSTALL=OFF", "-DBUILD_SHARED_LIBS=OFF"])
        run(["cmake", "--build", library, "--target", "leveldb"])
        # Its own rule for db_bench wants Google's benchmark in the source tree, for other programs.
        program = os.path.join(folder, "db_bench")
        run(["g++", "-std=c++14", "-O2", "-DNDEBUG", "-DLEVELDB_PLATFORM_POSIX=1",
             "-I" + source, "-I" + os.path.join(source, "include"),
             "-I" + os.path.join(library, "include"),
             os.path.join(source, "benchmarks/db_bench.cc"),
             os.path.join(source, "util/histogram.cc"), os.path.join(source, "util/testutil.cc"),
             os.path.join(library, "libleveldb.a"),
             "-lgmock", "-lgtest", "-lsnappy", "-lpthread", "-o", program])
        os.replace(program, os.path.join(LEVELDB_DIR, "db_bench"))


def fetch_leveldb(folder):
    """Returns the directory of the sources."""
    found = re.search(r"\| (\S+) (\S+)/(\S+) ", run(["apt-cache", "madison", "libleveldb-dev"]))
    if not found:
        raise Failure("apt knows no libleveldb-dev")
    sources = os.path.join(folder, "sources.list")
    with open(sources, "w") as file:
        # Signatures are checked with the keys that apt has for its own lists, wherever they are.
        keys = glob.glob("/usr/share/keyrings/debian-archive-keyring.*")
        signed = "[signed-by=%s] " % keys[0] if keys else ""
        file.write("deb-src %s%s %s %s\n" % ((signed,) + found.groups()))
    for name in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, name))
    options = ["-o", "Dir::Etc::SourceList=" + sources, "-o", "Dir::Etc::SourceParts=-",
               "-o", "Dir::State::Lists=" + os.path.join(folder, "lists"),
               "-o", "Dir::Cache=" + os.path.join(folder, "cache"),
               "-o", "APT::Sandbox::User=root"]
    run(["apt-get"] + options + ["update"])
    run(["apt-get"] + options + ["source", "leveldb"], cwd=folder)
    unpacked = glob.glob(os.path.join(folder, "leveldb-*/CMakeLists.txt"))
    if not unpacked:
        raise Failure("the source package holds no CMakeLists.txt")
    return os.path.dirname(unpacked[0])


def run(command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=BUILD_TIMEOUT_S)
    except FileNotFoundError:
        raise Failure("no %s in the path" % command[0]) from None
    if done.returncode != 0:
        raise Failure("%s failed:\n%s" % (command[0], done.stdout[-2000:].strip()))
    return done.stdout
