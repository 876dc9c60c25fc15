"""utils/bench/loads.py: runs varve-load, watches the server meanwhile.

varve-load (utils/load) makes the load and says every second how it goes; see utils/load/runner.h
for what its lines hold. Sampler looks at the server beside it.
"""
import json
import os
import subprocess
import threading
import time

from servers import TOP, Failure, before_exec
import servers

SETTLED_S = 5
SETTLE_S_MAX = 600


def program():
    return os.environ.get("VARVE_LOAD", os.path.join(TOP, "build/varve-load"))


class Phase:
    """What varve-load said about one phase: `begin` and `end` are its lines, `seconds` those between."""

    def __init__(self, begin):
        self.name, self.begin, self.seconds, self.end = begin["phase"], begin, [], None


def run(port, options, core=None, on_event=None):
    """Runs varve-load with `options`, a dict, to its end and returns its phases. on_event(line, phase)
    sees every line as it comes. A wrong value, an error reply or a lost connection is a Failure."""
    command = [program(), "--port=%d" % port]
    command += ["--%s=%s" % (name.replace("_", "-"), value) for name, value in options.items()]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=before_exec(core, first=core is not None))
    phases = []
    try:
        for text in process.stdout:
            line = json.loads(text)
            if line["event"] == "begin":
                phases.append(Phase(line))
            elif line["event"] == "second":
                phases[-1].seconds.append(line)
            else:
                phases[-1].end = line
            if on_event:
                on_event(line, phases[-1])
        complaints = process.stderr.read().strip()
        if process.wait() != 0:
            raise Failure("varve-load: %s" % (complaints or "exit code %d" % process.returncode))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
    return phases


class Sampler(threading.Thread):
    """Calls look(), which returns a dict, again and again; `samples` holds (seconds since the start,
    dict)."""

    def __init__(self, look, every_s=1.0):
        super().__init__(daemon=True)
        self.look, self.every_s = look, every_s
        self.samples, self.marks = [], []
        self.started = time.monotonic()
        self.ended = threading.Event()
        self.start()

    def run(self):
        while True:
            try:
                self.samples.append((self.now(), self.look()))
            except (OSError, EOFError, KeyError):
                return  # The server is gone; whoever talks to it will say so.
            if self.ended.wait(self.every_s):
                return

    def now(self):
        return time.monotonic() - self.started

    def mark(self, name):
        """A phase begins."""
        self.marks.append((self.now(), name))

    def phases(self):
        """[(first second, last second, name)]"""
        ends = [second for second, _ in self.marks[1:]] + [self.samples[-1][0]]
        return [(begin, end, name) for (begin, name), end in zip(self.marks, ends)]

    def end(self):
        self.ended.set()
        self.join()

    def line(self, field):
        return [(second, sample[field]) for second, sample in self.samples if field in sample]


def info(client):
    """All of INFO as {field: text}."""
    reply = client.call("INFO", "everything")
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)


def settle(server):
    """Waits until the server writes no more."""
    last, since = -1, time.monotonic()
    deadline = since + SETTLE_S_MAX
    while time.monotonic() < min(since + SETTLED_S, deadline):
        time.sleep(0.5)
        written = server.written_bytes()
        if written != last:
            last, since = written, time.monotonic()


def thread_cpu_s(pid):
    """{name of a group of threads: seconds of CPU}"""
    groups = {}
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/stat" % (pid, task)) as file:
                name, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks = sum(int(field) for field in rest.split()[11:13])
        groups[name] = groups.get(name, 0) + ticks / servers.TICKS_PER_S
    return groups
