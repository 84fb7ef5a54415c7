"""The table of planted faults fits the tree: tests/faults/README.md. Plants nothing; `make faults` does."""
import pathlib, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import table  # noqa: E402


class Table(unittest.TestCase):
    maxDiff = None

    def test_every_entry_fits_the_tree_and_every_built_rule_has_one(self):
        self.assertEqual(table.problems(), [])

    def test_no_two_entries_are_the_same_fault_and_test(self):
        seen = [(f.file, f.old, f.new, f.test) for f in table.load()]
        self.assertEqual(len(seen), len(set(seen)))


if __name__ == "__main__":
    unittest.main()
