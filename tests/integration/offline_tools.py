#!/usr/bin/env python3
"""varve-tool check, dump, stats, compact and repair on the directory of a server: refused while it runs, sound after a
stop and after kill -9, and damaged when one byte of a file is another one; then the rest comes back."""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import varve  # noqa: E402
from varve import check  # noqa: E402

TOOL = os.environ.get("VARVE_TOOL", "build/varve-tool")
SOUND, DAMAGED, NOT_DONE = 0, 1, 2
KEYS = 60_000
VALUE = "v" * 200
EXPIRES_MS = 4_000_000_000_000


def tool(want, *arguments):
    """Runs it and returns what it printed, on both ways."""
    done = subprocess.run([TOOL] + list(arguments), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(done.returncode == want, "%s ended with %d, not %d: %s%s" % (
        " ".join(arguments), done.returncode, want, done.stdout[-2000:], done.stderr))
    return done.stdout, done.stderr


def lines(want, *arguments):
    out, _ = tool(want, "dump", "--json", *arguments)
    return [json.loads(line) for line in out.splitlines()]


def write(client, first, count):
    """Keys and values of database 0; every hundredth key expires, every thousandth is deleted."""
    for start in range(first, first + count, 1000):
        for i in range(start, start + 1000):
            expiry = ("PXAT", EXPIRES_MS + i) if i % 100 == 0 else ()
            client.send("SET", "key%07d" % i, "%d:%s" % (i, VALUE), *expiry)
        client.send("DEL", "key%07d" % start)
        for _ in range(1000):
            check(client.read().text == "OK", "SET")
        check(client.read() == 1, "DEL")


# ---- Refusals

def test_locked(directory):
    for subcommand in ("check", "dump", "stats", "compact"):
        out, error = tool(NOT_DONE, subcommand, directory)
        check(out == "", "%s of what is open printed %r" % (subcommand, out))
        check("Stop the server first" in error, "%s said %r" % (subcommand, error))


def test_usage(directory):
    for arguments in (["check"], ["check", directory, directory], ["check", directory, "--jsn"],
                      ["dump"], ["dump", directory, "--from"], ["dump", directory, "--from=\\9"],
                      ["stats", directory, "--keys"], ["check", directory + "/none"],
                      ["dump", directory + "/none"], ["stats", directory + "/none"],
                      ["compact", directory, "--db=x"], ["compact", directory, "--prefix=x"],
                      ["compact", directory, "--db=0", "--prefix=x", "--from=y"],
                      ["compact", directory, "--from=\\9"], ["compact", directory + "/none"],
                      ["repair", directory], ["repair", directory + "/none", directory + "/to"],
                      ["dump", os.path.join(directory, "CURRENT")]):
        out, error = tool(NOT_DONE, *arguments)
        check(out == "" and error != "", "%s said nothing" % arguments)
    empty = os.path.join(directory, "empty")
    os.mkdir(empty)
    for subcommand in ("check", "dump", "stats", "compact"):
        _, error = tool(NOT_DONE, subcommand, empty)
        check("no database here" in error, "%s said %r" % (subcommand, error))
    _, error = tool(NOT_DONE, "repair", empty, directory + "/to")
    check("no database here" in error, "repair said %r" % error)
    check(os.listdir(empty) == [], "something was left in a directory that is no database")
    os.rmdir(empty)


# ---- What a sound database says

def test_stats(directory):
    figures = json.loads(tool(SOUND, "stats", directory, "--json", "--tables")[0])
    check(figures["all"]["tables"] > 0, "no tables: the test writes too little")
    check(figures["unreadable"] == [], "unreadable")
    check(sum(level["tables"] for level in figures["levels"]) == figures["all"]["tables"], "tables")
    check(sum(len(level["list"]) for level in figures["levels"]) == figures["all"]["tables"], "list")
    check(figures["all"]["ratio"] > 2, "values of one letter are not compressed")
    check("sealed" in [segment["end"] for segment in figures["segments"]], "the log was closed")
    check(figures["reserve_bytes"] > 0, "reserve")
    text, _ = tool(SOUND, "stats", directory, "--tables")
    for level in figures["levels"]:
        for table in level["list"]:
            check("%06d.table" % table["number"] in text, "a table is not listed")
    return figures


def test_dump(directory, figures):
    """Newest first, an entry shadows those that come later: tables from level 0 down, behind the
    log. Together they are the database."""
    log, tables = {}, {}
    into = tables
    for line in lines(SOUND, directory, "--full"):
        if line["what"] in ("put", "delete"):
            if into is log:
                log[line["key"]] = line
            else:
                tables.setdefault(line["key"], line)
        elif line["what"] == "segment":
            into = log
    tables.update(log)
    user = {key[2:]: line for key, line in tables.items() if key.startswith("!\x01")}
    for i in range(KEYS):
        line = user.get("key%07d" % i)
        if i % 1000 == 0:
            check(line is None or line["what"] == "delete", "key%07d was deleted" % i)
            continue
        check(line and line["what"] == "put" and line["value"] == "%d:%s" % (i, VALUE),
              "key%07d is %r" % (i, line))
        check(line.get("expires_ms", 0) == (EXPIRES_MS + i if i % 100 == 0 else 0), "expiry")

    one = [line for line in lines(SOUND, directory, "--from=!\\001key0000042",
                                  "--to=!\\001key0000043") if line["what"] == "put"]
    check(one and all(line["key"] == "!\x01key0000042" for line in one), "a range of one key")
    check(all(line["cut"] and len(line["value"]) == 64 for line in one), "long values are cut")
    brief = lines(SOUND, directory, "--keys", "--to=!\\001key0001000")
    check(any(line["what"] == "put" for line in brief), "keys")
    check(all("value" not in line for line in brief), "--keys prints values")
    check(not any(line["what"] in ("put", "delete") for line in
                  lines(SOUND, directory, "--no-entries")), "--no-entries prints entries")


def test_dump_files(directory, figures):
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.endswith(".table"):
            found = lines(SOUND, path)
            check(found[0]["what"] == "table" and found[0]["file"] == name, name)
            entries = sum(line["what"] in ("put", "delete") for line in found)
            properties = next(line for line in found if line["what"] == "properties")
            check(entries == properties["entries"], "%s has %d entries" % (name, entries))
            if properties["expiring"] > 0:
                check(any(line["what"] == "expiry" for line in found), name + " has no expiry")
            # Under any name, and with text for people.
            other = os.path.join(directory, "..", "a copy")
            os.link(path, other)
            check(lines(SOUND, other)[1:] == found[1:], "a copy says something else")
            text, _ = tool(SOUND, "dump", other)
            check(len(text.splitlines()) == len(found), "text and JSON differ")
            os.unlink(other)
        elif name.endswith(".log"):
            check(lines(SOUND, path)[-1]["what"] == "end", name)
        elif name.startswith("MANIFEST-"):
            found = lines(SOUND, path)
            check(found[0]["number"] == figures["manifest"], name)
            check(sum(line["what"] == "edit" for line in found) == figures["manifest_edits"], name)


# ---- What is compacted

def tombstones(directory):
    return json.loads(tool(SOUND, "stats", directory, "--json")[0])["all"]["tombstones"]


def tombstones_between(directory, first, last):
    """Of database 0. A table is compacted as a whole, so those of neighbours may have gone before."""
    return sum(line["what"] == "delete" for line in
               lines(SOUND, directory, "--from=!\\001" + first, "--to=!\\001" + last))


def test_compact(directory):
    """Every twentieth key was deleted: nothing is left of those that are asked for."""
    for nobodys in (["--db=7"], ["--db=0", "--prefix=nobody"], ["--from=x", "--to=y"]):
        done = json.loads(tool(SOUND, "compact", directory, "--json", *nobodys)[0])
        check(done["compactions"] == 0, "%s: %r" % (nobodys, done))
    # The log went to tables on the way.
    deleted = tombstones(directory)
    check(deleted >= KEYS // 20, "%d tombstones of %d keys" % (deleted, KEYS // 20))
    check(tombstones_between(directory, "key000", "key001") >= 500, "tombstones are not found")
    for first, last, some in (
            ("key000", "key001", ["--db=0", "--prefix=key000"]),
            ("key0010000", "key002", ["--db=0", "--from=key0010000", "--to=key002"]),
            ("key002", "key003", ["--from=!\\001key002", "--to=!\\001key003"])):
        deleted = tombstones_between(directory, first, last)
        done = json.loads(tool(SOUND, "compact", directory, "--json", *some)[0])
        check(done["compactions"] > 0 or deleted == 0, "%s, %d: %r" % (some, deleted, done))
        check(tombstones_between(directory, first, last) == 0, "%s: %r" % (some, done))
        # Filters are of another size in another level.
        check(done["bytes_after"] <= done["bytes_before"] * 1.05, "%s: %r" % (some, done))
        tool(SOUND, "check", directory)
    out, error = tool(SOUND, "compact", directory)
    check(out.startswith(directory + ": ") and " before, " in out and error == "", out + error)
    check(tombstones(directory) == 0, "tombstones are left")
    check(json.loads(tool(SOUND, "compact", directory, "--json")[0])["compactions"] == 0, "twice")
    tool(SOUND, "check", directory)


# ---- What a damaged one says

def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x10]))


def place_to_damage(path):
    """A byte that must be found out; None if there is none."""
    name = os.path.basename(path)
    if name.endswith(".table") or name.startswith("MANIFEST-") or name == "CURRENT":
        return os.path.getsize(path) // 2
    if name.endswith(".log"):
        # What a seal has behind it was durable. Of other segments the tables may know better.
        whats = [line["what"] for line in lines(SOUND, path)]
        if whats[1:2] == ["group"] and whats[-2] == "seal":
            return 44
    return None


def test_damage(directory):
    kinds = set()
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        offset = place_to_damage(path)
        if offset is None:
            continue
        kinds.add(name.rsplit(".")[-1].split("-")[0])
        flip(path, offset)
        text, _ = tool(DAMAGED, "check", directory)
        check(text.startswith(name), "byte %d of %s: %r" % (offset, name, text))
        problems = json.loads(tool(DAMAGED, "check", directory, "--json")[0])["problems"]
        check(problems and all(p["file"] == name for p in problems), "%s: %r" % (name, problems))
        if name.endswith(".table"):
            check(any(line["what"] == "problem" for line in lines(DAMAGED, path)), name)
        flip(path, offset)
    check(kinds == {"CURRENT", "MANIFEST", "copy", "table", "log"}, "only %s were damaged" % kinds)
    tool(SOUND, "check", directory)


# ---- What comes back of it

def test_repair(server):
    """One table is damaged: the rest is served, and comes back; and what does not is told."""
    directory = server.data_dir
    tables = [name for name in sorted(os.listdir(directory)) if name.endswith(".table")]
    largest = max(tables, key=lambda name: os.path.getsize(os.path.join(directory, name)))
    flip(os.path.join(directory, largest), os.path.getsize(os.path.join(directory, largest)) // 3)
    with varve.Server(["--memory-limit", "32mb"]) as repaired:
        repaired.stop()
        target = repaired.data_dir
        tool(NOT_DONE, "repair", directory, target)  # there is a database already
        shutil.rmtree(target)
        text, _ = tool(DAMAGED, "repair", directory, target)
        check(text.startswith("lost: keys from ") and largest in text, "repair: %r" % text)
        tool(SOUND, "check", target)
        shutil.rmtree(target)
        report = json.loads(tool(DAMAGED, "repair", directory, target, "--json")[0])
        check(len(report["lost_ranges"]) == 1 and not report["lost_values"], "%r" % report)
        check(largest in report["lost_ranges"][0]["why"], "%r" % report)

        server.start()
        repaired.start()
        with varve.Client(server.port) as before, varve.Client(repaired.port) as after:
            lost = served = 0
            for i in range(0, KEYS + 20_000, 3):
                was, now = before.call("GET", "key%07d" % i), after.call("GET", "key%07d" % i)
                if isinstance(was, varve.Error):
                    check(was.text.startswith("CORRUPTION ") and largest in was.text, "GET: %r" % was.text)
                    check(now is None, "key %d came back" % i)
                    lost += 1
                else:
                    check(was == now, "key %d: %r, repaired %r" % (i, was, now))
                    served += 1
            check(0 < lost < 400 and served > KEYS / 3, "%d lost, %d served" % (lost, served))
            check(isinstance(before.call("KEYS", "*"), varve.Error), "KEYS over what is damaged")
            check(len(after.call("KEYS", "*").items) > KEYS / 2, "KEYS after repair")
        server.stop()
        repaired.stop()
        tool(SOUND, "check", target)


def main():
    with varve.Server(["--memory-limit", "32mb"]) as server:
        directory = server.data_dir
        with varve.Client(server.port) as client:
            write(client, 0, KEYS)
            test_locked(directory)
        server.stop()
        test_usage(directory)
        text, _ = tool(SOUND, "check", directory)
        check(text.endswith("checked: sound\n"), "a stopped server: %r" % text)
        figures = test_stats(directory)
        test_dump(directory, figures)
        test_dump_files(directory, figures)

        server.start()
        with varve.Client(server.port) as client:
            write(client, KEYS, 20_000)
            server.kill()
        report = json.loads(tool(SOUND, "check", directory, "--json")[0])
        check(report["sound"] and report["totals"]["log_groups"] > 0, "kill -9: %r" % report)
        server.start()
        with varve.Client(server.port) as client:
            for i in range(1, KEYS + 20_000, 1110):
                check(client.call("GET", "key%07d" % i) == ("%d:%s" % (i, VALUE)).encode(), "GET")
            client.call("SET", "last", "in the log")
            for i in range(5, KEYS, 20):
                check(client.call("DEL", "key%07d" % i) == 1, "DEL")
        server.stop()
        tool(SOUND, "check", directory)
        test_compact(directory)
        server.start()
        with varve.Client(server.port) as client:
            for i in range(1, KEYS + 20_000, 1110):
                check(client.call("GET", "key%07d" % i) == ("%d:%s" % (i, VALUE)).encode(), "GET")
            write(client, 0, 20_000)
        server.stop()
        test_damage(directory)
        server.start()
        server.stop()
        test_repair(server)


if __name__ == "__main__":
    main()
