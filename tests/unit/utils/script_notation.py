"""tests/unit/utils/script_notation.py: tests/scripts/run reads and writes as redis-cli does."""
import importlib.machinery
import importlib.util
import os
import sys

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/run")
loader = importlib.machinery.SourceFileLoader("script_runner", path)
runner = importlib.util.module_from_spec(importlib.util.spec_from_loader("script_runner", loader))
loader.exec_module(runner)
varve = runner.varve

failed = 0


def expect(why, want, got):
    global failed
    if want != got:
        failed += 1
        print("%s: wanted %r, got %r" % (why, want, got))


def array(*items):
    return varve.Aggregate("*", list(items))


# why, line, arguments
for why, line, want in [
    ("words", "  SET  k v ", [b"SET", b"k", b"v"]),
    ("no words", "  ", []),
    ("double quotes", r'"a b" "" "\x00\xfF\n\"\\"', [b"a b", b"", b"\x00\xff\n\"\\"]),
    ("single quotes keep backslashes", r"'a\n' 'it\'s'", [rb"a\n", b"it's"]),
    ("quotes within a word", 'a"b c"', [b"ab c"]),
    ("other letters", "é", ["é".encode()]),
]:
    expect(why, want, runner.split_args(line))

for why, line in [("open quote", '"a'), ("closing quote in a word", '"a"b')]:
    try:
        expect(why, "an exception", runner.split_args(line))
    except runner.Bad:
        pass

# why, reply, lines
for why, reply, want in [
    ("nil", None, ["(nil)"]),
    ("a boolean is no integer", True, ["(true)"]),
    ("integer", -1, ["(integer) -1"]),
    ("bulk", b'a"\\\r\n\x00\xff', [r'"a\"\\\r\n\x00\xff"']),
    ("error", varve.Error("ERR no"), ["(error) ERR no"]),
    ("empty array", array(), ["(empty array)"]),
    ("empty map", varve.Aggregate("%", []), ["(empty hash)"]),
    ("nested", array(array(b"a", b"b"), 3), ['1) 1) "a"', '   2) "b"', "2) (integer) 3"]),
    ("two digits", array(*range(10)), ["%2d) (integer) %d" % (i + 1, i) for i in range(10)]),
    ("map", varve.Aggregate("%", [b"k", array(1, 2)]),
     ['1# "k" => 1) (integer) 1', "   2) (integer) 2"]),
    ("set", varve.Aggregate("~", [b"m"]), ['1~ "m"']),
]:
    expect(why, want, runner.show(reply))

# why, expected lines, lines, whether they match
for why, want, got, fits in [
    ("equal", ["a", "b"], ["a", "b"], True),
    ("missing line", ["a", "b"], ["a"], False),
    ("line too many", ["a"], ["a", "b"], False),
    ("anything, also nothing", ["a", "..."], ["a"], True),
    ("anything in the middle", ["a", "...", "z"], ["a", "b", "c", "z"], True),
    ("anything does not hide the rest", ["...", "z"], ["a", "b"], False),
    ("regex", [r"~ x=\d+"], ["... x=12 ..."], True),
    ("regex that fails", [r"~ ^x$"], ["xy"], False),
]:
    expect(why, fits, runner.matches(want, got))

sys.exit(1 if failed else 0)
