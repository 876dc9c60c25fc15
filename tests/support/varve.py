"""tests/support/varve.py: a live server and a client, for tests written in Python.

Server starts the program named by VARVE_SERVER (default build/varve-server) on a free loopback
port and in a directory of its own, and ends it by its process id. Client speaks RESP2 and RESP3
and depends on nothing, so that a fault of a client library is not taken for one of ours.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_TIMEOUT_S = 60  # Sanitizers are slow, and so is reading a long log again.
STOP_TIMEOUT_S = 60
REPLY_TIMEOUT_S = 30


class Failure(Exception):
    """The server did not do what it must; the message says what."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(condition, what, patience_s=20):
    """Fails with `what` if it takes longer."""
    deadline = time.monotonic() + patience_s
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


def info(client, field):
    """A field of INFO, as text."""
    for line in client.call("INFO", "everything").decode().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1]
    raise Failure("INFO has no " + field)


def free_port():
    """A port nobody listens on. Below the range from which the kernel picks clients' ports, so
    that no client of another test takes it before our server does."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """A server process on a data directory that outlives its restarts, but not close(). `wrapper`
    is a command that becomes the server, as prlimit does."""

    def __init__(self, flags=(), wrapper=()):
        self.wrapper = list(wrapper)
        self.program = os.environ.get("VARVE_SERVER", "build/varve-server")
        self.flags = list(flags)
        self.dir = tempfile.mkdtemp(prefix="varve-test-")
        self.data_dir = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "server.log")
        self.port = None
        self.process = None
        os.mkdir(self.data_dir)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        for _ in range(3):  # The port may be taken by somebody else meanwhile.
            self.port = free_port()
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    self.wrapper + [self.program, "--port", str(self.port), "--bind", "127.0.0.1",
                     "--dir", self.data_dir] + self.flags,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self._wait_until_ready():
                return
        raise Failure("the server does not start")

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with Client(self.port) as client:
                    reply = client.call("PING")
                if not (isinstance(reply, Error) and reply.text.startswith("LOADING")):
                    return True
            except (OSError, EOFError):
                pass
            time.sleep(0.005)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            raise Failure("the server is not ready after %d s" % START_TIMEOUT_S)
        return False

    def stop(self):
        """SIGTERM, and an exit code of 0: sanitizers report leaks through it."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure("the server still runs %d s after SIGTERM" % STOP_TIMEOUT_S)
        if code != 0:
            raise Failure("the server ended with %d, not 0" % code)

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    # What the system says of the process.

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        with open("/proc/%d/statm" % self.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def open_descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def log_tail(self, lines=30):
        try:
            with open(self.log_path, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""


class Error:
    """An error reply."""

    def __init__(self, text):
        self.text = text


class Status:
    """A simple string."""

    def __init__(self, text):
        self.text = text


class Double:
    """RESP3's double, as text: nobody asked us to round it."""

    def __init__(self, text):
        self.text = text


class Verbatim:
    """RESP3's verbatim string, without its format."""

    def __init__(self, data):
        self.data = data


class Aggregate:
    """An array, set, map or push. A map's keys and values alternate."""

    def __init__(self, kind, items):
        self.kind = kind
        self.items = items


class Client:
    """One connection. Bulk strings are bytes, nulls None; the rest are the classes above."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._in.close()
        self._socket.close()

    def send(self, *args):
        out = [b"*%d\r\n" % len(args)]
        for arg in args:
            data = arg if isinstance(arg, bytes) else str(arg).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(data), data))
        self.send_raw(b"".join(out))

    def send_raw(self, data):
        self._socket.sendall(data)

    def receive(self, size):
        """The next `size` bytes, as they are; less when the server has closed."""
        return self._in.read(size)

    def call(self, *args):
        self.send(*args)
        return self.read()

    def read(self):
        """The next reply. EOFError when the server has closed, OSError after REPLY_TIMEOUT_S."""
        line = self._in.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest.decode("utf-8", "backslashreplace"))
        if kind == b"-":
            return Error(rest.decode("utf-8", "backslashreplace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._read_bulk(int(rest))
        if kind == b"=":
            return Verbatim(self._read_bulk(int(rest))[4:])
        if kind == b"!":
            return Error(self._read_bulk(int(rest)).decode("utf-8", "backslashreplace"))
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return Double(rest.decode())
        if kind == b"(":
            return int(rest)
        if kind in (b"*", b"~", b">", b"%"):
            if rest == b"-1":
                return None
            count = int(rest) * (2 if kind == b"%" else 1)
            return Aggregate(kind.decode(), [self.read() for _ in range(count)])
        raise Failure("not RESP: %r" % line)

    def _read_bulk(self, size):
        data = self._in.read(size + 2)
        if len(data) < size + 2:
            raise EOFError("connection closed within a reply")
        if data[-2:] != b"\r\n":
            raise Failure("a bulk string of %d bytes does not end in CRLF" % size)
        return data[:-2]
