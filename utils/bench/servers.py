"""utils/bench/servers.py: servers to be measured: started, pinned, paused, watched, ended.

A server gets a directory of its own and a free loopback port. Whatever happens to the benchmark,
its servers end: by close(), or, should the benchmark be killed, by the kernel. Nothing is ever
ended but by the id of a process that was started here.

What a server costs is read from /proc: time of all its threads, memory, bytes written.
"""
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "tests/support"))
import varve  # noqa: E402  its client and free_port()

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 120
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1

Failure = varve.Failure
Client = varve.Client


def varve_program():
    return os.environ.get("VARVE_SERVER", os.path.join(TOP, "build/varve-server"))


def make_directory(beside=None):
    """For data, on the disk that holds the build: /tmp may well be memory, where a sync costs
    nothing."""
    parent = beside or os.path.dirname(os.path.abspath(varve_program()))
    return tempfile.mkdtemp(prefix="bench-", dir=parent)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_program(name, main):
    """A benchmark's exit code: what main() returns, 1 after saying what went wrong, 130 when interrupted."""
    end_on_signals()
    try:
        return main()
    except (Failure, EOFError, OSError, subprocess.SubprocessError) as problem:
        say("%s: %s" % (name, str(problem) or "connection closed"))
        return 1
    except KeyboardInterrupt:
        say("%s: interrupted" % name)
        return 130


def end_on_signals():
    """SIGTERM and SIGHUP unwind the program as Ctrl-C does, through every `finally`."""
    def unwind(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, unwind)


# ---- Cores

class Cores:
    """One core for the server and one for whoever makes the load; or, where the machine has but
    one, None for both, and `problem` says so."""

    def __init__(self):
        self.server = self.load = self.problem = None
        allowed = sorted(os.sched_getaffinity(0))
        siblings = _siblings(allowed[0])
        others = [core for core in allowed if core not in siblings]
        if not others:
            self.problem = ("nothing is pinned: this process may use only %s, and two cores are "
                            "needed" % ("one core" if len(allowed) == 1 else "threads of one core"))
            return
        self.server, self.load = allowed[0], others[0]
        try:
            os.sched_setaffinity(0, {self.load})  # redis-benchmark inherits it.
        except OSError as problem:
            self.server = self.load = None
            self.problem = "nothing is pinned: %s" % problem


def _siblings(core):
    """The hardware threads of one physical core share it: pinning to two of them pins nothing."""
    path = "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % core
    try:
        with open(path) as file:
            ranges = [part.split("-") for part in file.read().strip().split(",")]
        return {core for r in ranges for core in range(int(r[0]), int(r[-1]) + 1)}
    except (OSError, ValueError):
        return {core}


def before_exec(core, first=False):
    """Runs in the child: its core, and death with its parent, stopped or not. `first`: who measures is to run
    before all others on that core, where that is allowed; at a nice value only, since Linux stops what has real-time
    priority for 50 ms of each second that it is busy."""
    libc = ctypes.CDLL(None)

    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            os.sched_setaffinity(0, {core})
        if first:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, -20)
            except OSError:
                pass
    return prepare


# ---- Servers

class Server:
    """A server process; `flags` and `program` are what kind() below gives."""

    def __init__(self, name, command, parent, core):
        self.name = name
        self.port = varve.free_port()
        self.dir = tempfile.mkdtemp(prefix=name.lower() + "-", dir=parent)
        self.data_dir = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "server.log")
        self.paused_children = []
        self.core = core
        os.mkdir(self.data_dir)
        self.start(command)

    def start(self, command):
        """On the data there is. Returns when it answers."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command(self.port, self.data_dir), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=before_exec(self.core))
        self.pid = self.process.pid
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure("%s does not start:\n%s" % (self.name, self.log_tail()))
            try:
                with Client(self.port) as client:
                    if not isinstance(client.call("PING"), varve.Error):
                        return
            except (OSError, EOFError):
                pass
            time.sleep(0.02)
        raise Failure("%s is not ready after %d s" % (self.name, START_TIMEOUT_S))

    def pause(self):
        """Stops it where it stands, so that its background work, which is part of its own cost,
        does not become part of another's."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused_children = _children(self.pid)  # Redis rewrites its file in a child.
        for pid in self.paused_children:
            _signal(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self.paused_children:
            _signal(pid, signal.SIGCONT)
        self.paused_children = []
        _signal(self.pid, signal.SIGCONT)

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure("%s ended with %d:\n%s" %
                          (self.name, self.process.returncode, self.log_tail()))

    def close(self):
        if self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except BaseException:  # Also a second Ctrl-C.
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log_tail(self, lines=20):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    # ---- What it costs

    def cpu_s(self):
        return cpu_s(self.pid)

    def rss_bytes(self):
        return status_bytes(self.pid, "VmRSS")

    def rss_max_bytes(self):
        """As the kernel saw it: nothing is missed between two looks."""
        return status_bytes(self.pid, "VmHWM")

    def written_bytes(self):
        """Handed to the disk, less what was deleted before it got there."""
        with open("/proc/%d/io" % self.pid) as file:
            fields = dict(line.split(": ") for line in file)
        return int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])

    def disk_bytes(self):
        total = 0
        for folder, _, names in os.walk(self.data_dir):
            for name in names:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass  # Compacted away meanwhile.
        return total

    def unpinned_threads(self, core):
        """How many of its threads may run elsewhere."""
        want, count = {core}, 0
        for thread in os.listdir("/proc/%d/task" % self.pid):
            try:
                count += os.sched_getaffinity(int(thread)) != want
            except ProcessLookupError:
                pass
        return count


def varve_command(flags):
    """Server's `command` for varve-server with `flags`, a list."""
    def command(port, data_dir):
        return [varve_program(), "--port", str(port), "--bind", "127.0.0.1",
                "--dir", data_dir] + flags
    return command


def redis_command(appendfsync):
    def command(port, data_dir):
        return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", data_dir,
                "--save", "", "--appendonly", "yes", "--appendfsync", appendfsync]
    return command


def split_flags(text):
    return shlex.split(text or "")


# ---- /proc

def cpu_s(pid):
    """Time of all threads and children. A child's own moves, when it ends, to its parent's stat."""
    total = _stat_s(pid, children=True)
    for child in _children(pid):
        try:
            total += _stat_s(child, children=False)
        except (FileNotFoundError, ProcessLookupError):
            pass  # It ended just now; the next look finds it with its parent.
    return total


def _stat_s(pid, children):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15 if children else 13]) / TICKS_PER_S


def machine_busy_s():
    """Time all cores together spent on anything at all, waiting for disks apart."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def status_bytes(pid, field):
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def _children(pid):
    found = []
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/children" % (pid, thread)) as file:
                found += [int(child) for child in file.read().split()]
        except FileNotFoundError:
            pass  # A thread that ended meanwhile, or a kernel that does not tell.
    return found


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


# ---- What a server says of itself

def version(client):
    """'Varve 0.1.0' or 'Redis 7.0.15'."""
    reply = client.call("INFO", "server")
    text = reply.data if isinstance(reply, varve.Verbatim) else reply
    fields = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    if "varve_version" in fields:
        return "Varve " + fields["varve_version"]
    return "Redis " + fields.get("redis_version", "of an unknown version")
