"""tests/unit/tools/simulate.py: varve-tool simulate prints a line for each load and policy, or why not."""
import json
import os
import subprocess
import sys

TOOL = os.path.abspath(os.environ.get("VARVE_TOOL", "build/varve-tool"))
SMALL = ["--data-size=1gb", "--generation-size=8mb", "--table-size=4mb", "--keys=8192", "--rounds=1"]
failed = 0


def expect(why, want, got):
    global failed
    if want != got:
        failed += 1
        print("%s: wanted %r, got %r" % (why, want, got))


def simulate(*arguments):
    return subprocess.run([TOOL, "simulate"] + list(arguments), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


LOADS = ["uniform", "zipfian", "in-order", "deletes"]
POLICIES = ["leveled", "tiered", "lazy-leveled"]

done = simulate(*SMALL)
expect("exit code", (0, ""), (done.returncode, done.stderr))
expect("a line each", [[load, policy] for load in LOADS for policy in POLICIES],
       [line.split()[:2] for line in done.stdout.splitlines()[1:]])

done = simulate("--policy=tiered,leveled", "--load=in-order", "--json", *SMALL)
figures = json.loads(done.stdout)
expect("as asked", [("in-order", "tiered"), ("in-order", "leveled")],
       [(row["load"], row["policy"]) for row in figures])
expect("written once", [1, 1], [row["write"] for row in figures])

for why, wanted, argument in [
        ("unknown option", "no option '--data_size=1'; --help lists them", "--data_size=1"),
        ("no option", "what is 'leveled'? Options are --NAME=VALUE", "leveled"),
        ("unknown policy", "--policy wants leveled, tiered or lazy-leveled, not 'lazy'", "--policy=lazy"),
        ("bad ratio", "--ratio wants a number from 2 to 100, not '1'", "--ratio=1"),
        ("too few keys", "a generation would have only a few keys: it takes 4097 of them to stand for "
         "the data", "--keys=100")]:
    done = simulate(*SMALL, argument)
    expect(why, (1, "varve-tool simulate: %s\n" % wanted), (done.returncode, done.stderr))

done = simulate("--help")
expect("help", (0, True), (done.returncode, "--generation-size" in done.stdout))

sys.exit(1 if failed else 0)
