"""The table of planted faults: *.toml in this folder, one file per section of docs/semantics.md.

    [[fault]]
    rule   = "2.2"                  of docs/semantics.md
    breaks = "…"                    one sentence: what is wrong with the program now
    file   = "src/log/dedupe.cc"
    old    = '…'                    stands in the file exactly once
    new    = '…'                    what is put in its place
    test   = "log_test Dedupe.X"    must fail: a gtest program and its filter, or a script and the test's name in it
    ends   = "crash"                optional: it may also die of a signal ("crash") or hang ("timeout")

Rules without a fault stand in uncovered.toml with the reason.
"""
import dataclasses, pathlib, re, subprocess, sys, tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
import rules_test as conformance  # noqa: E402

ENDS = ("assertion", "check", "crash", "timeout")


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str  # the rule and a letter: "2.2b"
    rule: str
    breaks: str
    file: str
    old: str
    new: str
    test: str
    ends: str = "assertion"

    @property
    def program(self):
        return self.test.split(" ", 1)[0]

    @property
    def filter(self):
        return self.test.split(" ", 1)[1]

    @property
    def is_script(self):
        return self.program.endswith((".py", ".mjs"))

    def plant(self, root=ROOT):
        """The file's text with the fault in it; None when the old text is not there exactly once."""
        path = root / self.file
        text = path.read_text() if path.exists() else ""
        return text.replace(self.old, self.new) if text.count(self.old) == 1 else None


def order(rule):
    return tuple(map(int, rule.split(".")))


def load():
    faults, counts = [], {}
    files = [p for p in HERE.glob("*.toml") if p.name != "uncovered.toml"]
    for path in sorted(files, key=lambda p: int(p.name.split("_")[0])):
        for entry in tomllib.loads(path.read_text())["fault"]:
            rule = entry["rule"]
            counts[rule] = counts.get(rule, 0) + 1
            faults.append(Fault(name=rule + letters(counts[rule]), **entry))
    return faults


def letters(n):
    return chr(ord("a") + n - 1) if n <= 26 else "z%d" % n


def uncovered():
    return tomllib.loads((HERE / "uncovered.toml").read_text())["rules"]


def sources():
    """Test sources by path, read once."""
    return {path: path.read_text() for path in conformance.test_files() + sorted((ROOT / "src").rglob("*contract.h"))}


def test_of(fault, texts):
    """(path, source of the test with the comment above it); None when there is no such test."""
    if fault.is_script:
        path = ROOT / fault.program
        text = texts.get(path, "")
        at = text.find(fault.filter)
        return (path, text) if at >= 0 else None
    suite, _, name = fault.filter.split(":")[0].rpartition("/")[2].partition(".") if "/" not in fault.filter else parameterised(fault.filter)
    pattern = re.compile(r"^((?://[^\n]*\n)*)TEST(?:_F|_P)?\(%s,\s*%s\)(.*?)^}" % (re.escape(suite), re.escape(name)), re.M | re.S)
    for path, text in texts.items():
        found = pattern.search(text)
        if found:
            return path, found.group(0)
    return None


def parameterised(text):
    """`Mine/EngineContract.Name/memory` -> the suite and the test it is an instance of."""
    parts = text.split("/")
    suite, _, name = parts[1].partition(".")
    return suite, "", name


def rules_named_in(path, source, fault, named):
    """The rules that the test names: in its own text, or for the whole file in the comment it begins with."""
    found = set()
    for run in re.findall(r"semantics\.md\s+((?:%s(?:\s*[-,–]\s*|\s+and\s+)?)+)" % conformance.RULE, source):
        found |= set(re.findall(conformance.RULE, run))
    if fault.is_script:
        found |= {rule for rule, files in named.items() if str(path.relative_to(ROOT)) in files}
    return found


def problems():
    """What is wrong with the table, as sentences."""
    found = []
    texts, semantics = sources(), (ROOT / "docs" / "semantics.md").read_text()
    rules, planned = conformance.rules(semantics), conformance.planned(semantics)
    named = conformance.named([p for p in texts if not p.name.endswith(".h")])
    faults, excused = load(), uncovered()
    for fault in faults:
        where = "%s (%s)" % (fault.name, fault.breaks)
        if fault.rule not in rules:
            found.append("%s: there is no rule %s" % (where, fault.rule))
        if fault.plant() is None:
            found.append("%s: stale, its text is not in %s exactly once" % (where, fault.file))
        if fault.old == fault.new or fault.ends not in ENDS:
            found.append("%s: it changes nothing, or ends in no known way" % where)
        test = test_of(fault, texts)
        if test is None:
            found.append("%s: there is no test %s" % (where, fault.test))
        elif fault.rule not in rules_named_in(*test, fault, named):
            found.append("%s: the test %s does not name the rule" % (where, fault.test))
    covered = {fault.rule for fault in faults}
    for rule in sorted(rules - planned - covered - set(excused), key=order):
        found.append("%s is built and has no fault" % rule)
    for rule in sorted(set(excused) & (covered | planned | (set(excused) - rules)), key=order):
        found.append("%s needs no excuse in uncovered.toml" % rule)
    return found
