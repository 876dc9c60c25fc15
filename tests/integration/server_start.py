#!/usr/bin/env python3
"""Starting and stopping: start-up errors, the background, pid file, unix socket, systemd, SIGHUP,
CONFIG REWRITE, and a stop that keeps its promises."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

PROGRAM = os.environ.get("VARVE_SERVER", "build/varve-server")


def run(*arguments, env=None):
    """Runs the server to its end: (exit code, stderr)."""
    done = subprocess.run([PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=dict(os.environ, **(env or {})), timeout=60)
    return done.returncode, done.stderr.decode()


def unix_call(path, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(varve.REPLY_TIMEOUT_S)
        s.connect(path)
        s.sendall(line)
        return s.recv(100)


def until(condition, what):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise varve.Failure("not within 30 s: " + what)


def test_errors(directory):
    """Each is one line that names the place, and exit code 1."""
    conf = os.path.join(directory, "bad.conf")
    with open(conf, "w") as f:
        f.write("port 0\nprot 1\n")
    with socket.socket() as busy, varve.Server() as running:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        data = os.path.join(directory, "data")
        free = str(varve.free_port())
        cases = [
            ([conf], conf + ":2: unknown option 'prot'"),
            (["/nowhere/varve.conf"], "/nowhere/varve.conf: "),
            (["--port", "x"], "--port: argument couldn't be parsed into an integer"),
            (["--port", port, "--dir", data], "127.0.0.1:" + port + ": "),
            (["--port", free, "--bind", "nonsense"], "'nonsense' is no IPv4 or IPv6 address"),
            (["--port", "0"], "nothing to listen on"),
            (["--nonsense", "1"], "--nonsense: unknown option"),
            (["--port", free, "--dir", "/proc/varve"], "/proc/varve"),
            (["--port", free, "--dir", conf], conf),  # a file
            (["--port", free, "--dir", os.path.join(conf, "data")], conf),  # below a file
            (["--port", free, "--dir", running.data_dir], running.data_dir),  # locked
        ]
        for arguments, want in cases:
            code, text = run(*arguments)
            check(code == 1, "%s: exit code %d: %s" % (arguments, code, text))
            check(want in text and text.count("\n") == 1, "%s said: %s" % (arguments, text))
        code, text = run(env={"VARVE_PORT": "x"})
        check(code == 1 and text.startswith("varve-server: VARVE_PORT: "), text)


def test_daemon(directory):
    """The command returns when the daemon is ready; pid file and unix socket go when it stops."""
    pidfile = os.path.join(directory, "pid")
    path = os.path.join(directory, "socket")
    arguments = ["--port", "0", "--daemonize", "yes", "--pidfile", pidfile, "--unixsocket", path,
                 "--unixsocketperm", "700", "--dir", os.path.join(directory, "data"),
                 "--logfile", os.path.join(directory, "log")]
    code, text = run(*arguments)
    check(code == 0, "daemon: %d %s" % (code, text))
    pid = int(open(pidfile).read())
    check(unix_call(path, b"PING\r\n") == b"+PONG\r\n", "no answer from the unix socket")
    check(os.stat(path).st_mode & 0o777 == 0o700, "unixsocketperm has no effect")
    code, text = run(*arguments)  # A daemon that cannot start is no daemon.
    check(code == 1 and text != "", "a second daemon: %d %s" % (code, text))

    os.kill(pid, signal.SIGTERM)
    until(lambda: not os.path.exists(pidfile), "the pid file goes")
    until(lambda: not os.path.exists("/proc/%d" % pid), "the daemon ends")
    check(not os.path.exists(path), "the unix socket is left behind")

    # One left behind by a crash is in nobody's way.
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    with varve.Server(["--unixsocket", path]):
        check(unix_call(path, b"PING\r\n") == b"+PONG\r\n", "no answer from the unix socket")


def test_notify(directory):
    """systemd hears READY=1 when clients are answered."""
    path = os.path.join(directory, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(60)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            with varve.Server(["--supervised", "auto"]) as server:
                check(notify.recv(100) == b"READY=1\n", "systemd was not told")
                server.stop()
                check(notify.recv(100) == b"STOPPING=1\n", "systemd was not told of the end")
        finally:
            del os.environ["NOTIFY_SOCKET"]


def test_rewrite_and_reload(directory):
    conf = os.path.join(directory, "varve.conf")
    with open(conf, "w") as f:
        f.write("# mine\ntimeout 5\nmaxclients 100\n")
    server = varve.Server()
    real = server.program
    wrapper = os.path.join(directory, "run")
    with open(wrapper, "w") as f:
        f.write('#!/bin/sh\nexec "%s" "%s" "$@"\n' % (os.path.abspath(real), conf))
    os.chmod(wrapper, 0o755)
    server.program = wrapper
    with server:
        with varve.Client(server.port) as client:
            def get(name):
                return client.call("CONFIG", "GET", name).items[1]

            check(get("timeout") == b"5", "the file was not read")
            client.call("CONFIG", "SET", "timeout", "7")
            # Behind a command that waits, the pipeline keeps its order.
            client.send("CONFIG", "REWRITE")
            client.send("ECHO", "behind")
            check(client.read().text == "OK", "CONFIG REWRITE")
            check(client.read() == b"behind", "what follows CONFIG REWRITE")
            text = open(conf).read()
            check("# mine\ntimeout 7\nmaxclients 100\n" in text, "rewritten:\n" + text)

            with open(conf, "w") as f:
                f.write("timeout 9\nmaxclients 100\ndatabases 3\n")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: get("timeout") == b"9", "SIGHUP reloads")
            check(get("databases") == b"16", "databases changed at run time")

            with open(conf, "w") as f:
                f.write("timeout 11\nnonsense\n")
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "nothing changed" in server.log_tail(), "a bad file is told of")
            check(get("timeout") == b"9", "half of a bad file was taken")
        server.stop()


def test_stop():
    """What was answered before the stop is there after it, and every reply promised arrives."""
    with varve.Server(["--appendfsync", "always"]) as server:
        client = varve.Client(server.port)
        for i in range(2000):
            client.send("SET", "key:%d" % i, i)
        replies = 0
        check(client.read().text == "OK", "SET")
        replies += 1
        server.process.send_signal(signal.SIGTERM)
        try:
            while True:
                check(client.read().text == "OK", "SET")
                replies += 1
        except (EOFError, ConnectionError):
            pass
        client.close()
        check(server.process.wait(60) == 0, "SIGTERM: exit code")
        server.start()
        with varve.Client(server.port) as client:
            for i in range(replies):
                check(client.call("GET", "key:%d" % i) == b"%d" % i, "key:%d is lost" % i)
        server.stop()


def test_shutdown():
    with varve.Server() as server:
        with varve.Client(server.port) as client:
            client.call("SET", "a", "1")
            client.send("SHUTDOWN")
            try:
                check(False, "SHUTDOWN answered %r" % client.read())
            except (EOFError, ConnectionError):
                pass
        check(server.process.wait(60) == 0, "SHUTDOWN: exit code")
        server.process = None
        server.start()
        with varve.Client(server.port) as client:
            check(client.call("GET", "a") == b"1", "a is lost")


def main():
    for test in [test_errors, test_daemon, test_notify, test_rewrite_and_reload]:
        with tempfile.TemporaryDirectory(prefix="varve-test-") as directory:
            test(directory)
    test_stop()
    test_shutdown()


if __name__ == "__main__":
    main()
