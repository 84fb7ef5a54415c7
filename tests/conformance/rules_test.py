"""Every rule of docs/semantics.md that is built has a test that names it.

A test names rule 4.2 by `semantics.md 4.2` in a comment or docstring, by `_4_2` in a Python test's name, or by
`(4.2)` in the title of a Node test. Rules that are not built yet stand in the table at the top of
docs/semantics.md; one that gets a test must leave it.
"""
import pathlib, re, subprocess, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULE = r"\d{1,2}\.\d{1,2}"


def rules(text):
    return set(re.findall(r"^(%s) " % RULE, text, re.M))


def planned(text):
    match = re.search(r"^Not built yet: (.*?)\.$", text, re.M | re.S)
    return set(re.findall(RULE, match.group(1))) if match else set()


def test_files():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "tests", "sdk"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / p for p in listed if re.search(r"_test\.(cc|py)$|\.test\.mjs$", p) and not p.endswith("rules_test.py")]


def named(files):
    found = {}
    for path in files:
        text = path.read_text()
        hits = set()
        for run in re.findall(r"semantics\.md\s+((?:%s(?:\s*[-,–]\s*|\s+and\s+)?)+)" % RULE, text):
            hits |= set(re.findall(RULE, run))
        for name in re.findall(r"def (test_\w+)", text):
            hits |= {"%s.%s" % pair for pair in re.findall(r"(?<=_)(\d{1,2})_(\d{1,2})(?=_|$)", name)}
        for title in re.findall(r"""^\s*(?:test|it)\(['"`](.*)['"`]""", text, re.M):
            for group in re.findall(r"\(([\d., and]+)\)", title):
                hits |= set(re.findall(RULE, group))
        for rule in hits:
            found.setdefault(rule, []).append(str(path.relative_to(ROOT)))
    return found


class Rules(unittest.TestCase):
    def setUp(self):
        self.text = (ROOT / "docs" / "semantics.md").read_text()

    def test_each_built_rule_is_named_by_a_test(self):
        found = named(test_files())
        missing = sorted(rules(self.text) - planned(self.text) - set(found), key=lambda r: tuple(map(int, r.split("."))))
        self.assertEqual(missing, [])

    def test_no_test_names_a_rule_that_is_not_there(self):
        found = named(test_files())
        unknown = {rule: found[rule] for rule in set(found) - rules(self.text)}
        self.assertEqual(unknown, {})

    def test_the_page_has_rules_at_all(self):
        self.assertGreater(len(rules(self.text)), 50)


if __name__ == "__main__":
    unittest.main()
