"""utils/bench/report.py: what a benchmark says: on which machine, in which part of which file.

docs/BENCHMARKS.md is written by several commands. Each owns the part between two markers,

    <!-- NAME: begin -->  ...  <!-- NAME: end -->

and keeps its hands off the rest.
"""
import datetime
import os
import re
import statistics
import subprocess
import tempfile
import time

from servers import TOP

SYNC_PROBE_S = 1.0
SYNC_PROBE_BYTES = 4096

HEAD = """# Benchmarks

Figures of one machine at one time, each part written by the command it names. A figure depends on the
machine; a ratio, measured side by side in one run, much less.
"""


def machine(directory):
    """One sentence on the machine, and on the disk that holds `directory`."""
    with open("/proc/cpuinfo") as file:
        match = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    with open("/proc/meminfo") as file:
        memory_kb = int(file.readline().split()[1])
    kernel = re.match(r"[\d.]+", os.uname().release)
    return "%s, %d cores, %.0f GB of memory, Linux %s, %s (appending %d KB and syncing takes %s)" % (
        match.group(1).strip() if match else os.uname().machine, os.cpu_count(), memory_kb / 2**20,
        kernel.group(0).rstrip(".") if kernel else "", filesystem(directory),
        SYNC_PROBE_BYTES // 1024, _sync_time(directory))


def filesystem(directory):
    """The type of the file system that holds `directory`."""
    best, kind = "", "an unknown file system"
    with open("/proc/self/mounts") as file:
        for line in file:
            where, what = line.split()[1:3]
            inside = os.path.realpath(directory).startswith(where.rstrip("/") + "/")
            if inside and len(where) >= len(best):
                best, kind = where, what
    return kind


def _sync_time(directory):
    times = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        deadline = time.monotonic() + SYNC_PROBE_S
        while time.monotonic() < deadline:
            start = time.monotonic()
            os.write(file.fileno(), b"\0" * SYNC_PROBE_BYTES)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - start)
    return "%.2f ms, median of %d" % (statistics.median(times) * 1000, len(times))


def commit():
    """The commit measured, where there is one to name: 'a1b2c3d' or 'a1b2c3d, changed'."""
    def git(*args):
        return subprocess.run(["git", "-C", TOP] + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout.strip()
    try:
        name = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "Makefile")
    except OSError:
        return ""
    return name and name + (", changed" if changed else "")


def today():
    return datetime.date.today().isoformat()


def count(number):
    """1234567 as 1,235k: four digits are as many as repeat."""
    if number >= 100000:
        return "{:,.0f}k".format(number / 1000)
    if number >= 1000:
        return "%.1fk" % (number / 1000)
    return "%.0f" % number


def size(number):
    for unit, factor in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if number >= factor:
            return "%.3g %s" % (number / factor, unit) if number < 1000 * factor else \
                   "%.0f %s" % (number / factor, unit)
    return "%d bytes" % number


def table(head, rows):
    """Markdown. The first column is text, the others figures."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1)] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write_part(path, name, text):
    """Puts `text` between the markers `name` of `path`; behind all else if there are none."""
    begin, end = "<!-- %s: begin -->" % name, "<!-- %s: end -->" % name
    part = "%s\n%s\n%s" % (begin, text.strip(), end)
    try:
        with open(path, encoding="utf-8") as file:
            old = file.read()
    except FileNotFoundError:
        old = HEAD
    if begin in old and end in old:
        before, rest = old.split(begin, 1)
        new = before + part + rest.split(end, 1)[1]
    else:
        new = old.rstrip() + "\n\n" + part + "\n"
    write_file(path, new)


def write_file(path, text):
    """All of it or nothing."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)
