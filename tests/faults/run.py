"""Plants each fault of the table, one at a time, and demands that its test fails: tests/faults/README.md.

    tests/faults/run.py                  all of them
    tests/faults/run.py --rule 4.2 8     those of a rule and of a section; 2.2b is a single one
    tests/faults/run.py --from 5.1       from there on
    tests/faults/run.py --resume         without those that are proven for the same code and test

Works in a copy of the tree under build-faults/; the checkout is not touched. Exit status 1 unless all are proven.
"""
import argparse, hashlib, json, os, pathlib, re, shutil, signal, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import table  # noqa: E402

# Compiled fast; what a fault leaves unused is no reason to stop.
FLAGS = "-O0 -w -D_GLIBCXX_ASSERTIONS"
GTEST_SECONDS, SCRIPT_SECONDS = 90, 240
PROVEN = "proven"


class Scratch:
    """A copy of the checkout with a build folder of its own, kept from run to run."""

    def __init__(self, folder, jobs):
        self.folder, self.jobs = folder, jobs
        self.tree, self.build = folder / "tree", folder / "build"

    def sync(self):
        """Makes the copy equal to the checkout, leaving files that are equal alone."""
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=table.ROOT,
                                capture_output=True, text=True, check=True).stdout.split("\0")
        wanted = {name for name in listed if name and (table.ROOT / name).is_file()}
        for path in list(self.tree.rglob("*")):
            name = str(path.relative_to(self.tree))
            if path.is_file() and "node_modules" not in name and name not in wanted:
                path.unlink()
        for name in wanted:
            source, copy = table.ROOT / name, self.tree / name
            if not copy.exists() or source.read_bytes() != copy.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)
        for name in ("tests/node_modules", "sdk/js/node_modules"):
            link = self.tree / name
            if (table.ROOT / name).exists() and not link.exists():
                link.symlink_to(table.ROOT / name)

    def configure(self):
        command = ["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DGALAXY_TESTS=ON",
                   "-DCMAKE_BUILD_TYPE=Faults", "-DCMAKE_CXX_FLAGS=" + FLAGS]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)

    def make(self, targets):
        """None when it compiles, else what the compiler said."""
        done = subprocess.run(["nice", "-n", "10", "ninja", "-C", self.build, "-j", str(self.jobs), *targets], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stdout + done.stderr

    def run(self, fault):
        """(exit status or "timeout", output) of the fault's test."""
        environment = os.environ | {"GALAXY_PUSH": str(self.build / "galaxy-push"), "GALAXY_BUILD": str(self.build),
                                    "NODE_OPTIONS": "--experimental-global-webcrypto"}
        if not fault.is_script:
            command = [self.build / fault.program, "--gtest_filter=" + fault.filter]
        elif fault.program.endswith(".py"):
            command = ["/usr/bin/python3", fault.program, "-k", fault.filter]
        else:
            command = ["node", "--test", "--test-name-pattern", re.escape(fault.filter), fault.program]
        seconds = SCRIPT_SECONDS if fault.is_script else GTEST_SECONDS
        process = subprocess.Popen(command, cwd=self.tree, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return "timeout", process.communicate()[0]


def target(fault):
    if not fault.is_script:
        return [fault.program]
    if fault.program.startswith("sdk/"):
        return []
    return ["galaxy-push", *(["crash_fail_io"] if fault.program.startswith("tests/crash/") else [])]


def ran_nothing(output):
    return bool(re.search(r"Running 0 tests|^Ran 0 tests|^# pass 0\n# fail 0$", output, re.M))


def how_it_ended(status, output):
    """passed, nothing, assertion, check, crash or timeout."""
    if status == "timeout":
        return "timeout"
    if ran_nothing(output):
        return "nothing"
    if status == 0:
        return "passed"
    if re.search(r"CHECK failed|Sanitizer|Assertion '.*' failed|runtime error:", output):
        return "check"
    if status > 0 and re.search(r"^\[  FAILED  \]|AssertionError|^FAILED \(|ERR_ASSERTION|testCodeFailure", output, re.M):
        return "assertion"
    return "crash"


def prove(scratch, fault):
    """(verdict, output): plants the fault, builds, runs the test, takes the fault out again."""
    planted = fault.plant(scratch.tree)
    if planted is None:
        return "stale", ""
    path = scratch.tree / fault.file
    text = path.read_text()
    try:
        path.write_text(planted)
        broken = scratch.make(target(fault))
        if broken is not None:
            return "does not compile", broken
        status, output = scratch.run(fault)
    finally:
        path.write_text(text)
    ended = how_it_ended(status, output)
    if ended in ("assertion", "check", fault.ends):
        return PROVEN, output
    return {"passed": "SURVIVES"}.get(ended, ended), output


def unhealthy(scratch, faults):
    """Builds the tree as it is. The tests that do not pass in it, with what they said: a fault proves nothing there."""
    broken = scratch.make(sorted({name for fault in faults for name in target(fault)}))
    if broken is not None:
        sys.exit(broken)
    failed = {}
    for test, fault in {fault.test: fault for fault in faults}.items():
        status, output = scratch.run(fault)
        ended = how_it_ended(status, output)
        if ended != "passed":
            failed[test] = ("no such test" if ended == "nothing" else "fails unplanted", output)
    return failed


def key_of(fault, texts, tree):
    """Of what a proof is a proof: the entry, the file it changes, and the test's source."""
    test, path = table.test_of(fault, texts), tree / fault.file
    parts = [fault.file, fault.old, fault.new, fault.test, fault.ends, path.read_text() if path.exists() else "", test[1] if test else ""]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def selected(arguments):
    faults = table.load()
    if arguments.rule:
        faults = [f for f in faults if {f.name, f.rule, f.rule.split(".")[0]} & set(arguments.rule)]
    if arguments.start:
        names = [f.name for f in faults] + [f.rule for f in faults]
        if arguments.start not in names:
            sys.exit("there is no fault or rule " + arguments.start)
        faults = faults[next(i for i, f in enumerate(faults) if arguments.start in (f.name, f.rule)):]
    if not faults:
        sys.exit("there is no such fault")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", nargs="+", metavar="RULE", help="rules (4.2), sections (4) or single faults (4.2b)")
    parser.add_argument("--from", dest="start", help="a rule or fault to begin with")
    parser.add_argument("--resume", action="store_true", help="leave out what is proven")
    parser.add_argument("--show", action="store_true", help="print what each test said")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=pathlib.Path, default=table.ROOT / "build-faults")
    arguments = parser.parse_args()
    faults = selected(arguments)
    record = arguments.folder / "proven.json"
    known = json.loads(record.read_text()) if record.exists() else {}
    texts = table.sources()
    if arguments.resume:
        faults = [f for f in faults if key_of(f, texts, table.ROOT) not in known]
    if not faults:
        print("all proven")
        return 0
    scratch = Scratch(arguments.folder, arguments.jobs)
    scratch.sync()
    scratch.configure()
    failed = unhealthy(scratch, [f for f in faults if f.plant() is not None])
    missed = 0
    for fault in faults:
        started = time.monotonic()
        verdict, output = failed.get(fault.test) or prove(scratch, fault)
        key = key_of(fault, texts, scratch.tree)
        if verdict == PROVEN:
            known[key] = fault.name
        else:
            known.pop(key, None)
            missed += 1
        record.write_text(json.dumps(known, indent=1))
        print("%-7s %-16s %5.1f s  %s  [%s]" % (fault.name, verdict, time.monotonic() - started, fault.breaks, fault.test), flush=True)
        if arguments.show or verdict not in (PROVEN, "stale"):
            print("    " + output[-3000:].replace("\n", "\n    "), flush=True)
    print("%d faults, %d proven, %d not" % (len(faults), len(faults) - missed, missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
