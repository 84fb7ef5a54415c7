"""Every fuzz target is built, has a small corpus, and stands in the table of inputs: docs/reliability.md, semantics.md 10.4."""
import pathlib, re, unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SEEDS_MAX, SEED_BYTES_MAX = 60, 8192


def targets():
    """name -> folder, of the sources."""
    return {path.name.removesuffix("_fuzz.cc"): path.parent for path in (ROOT / "src").glob("*/*_fuzz.cc")}


class FuzzTargets(unittest.TestCase):
    def test_each_is_built_once(self):
        built = [name for path in (ROOT / "src").glob("*/CMakeLists.txt")
                 for names in re.findall(r"galaxy_fuzz\(\w+ NAMES ([^)]*?)(?: DEPS| ROUNDS| SYSTEM|\))", path.read_text())
                 for name in names.split()]
        self.assertEqual(sorted(built), sorted(targets()))

    def test_each_has_a_corpus_and_it_is_small(self):
        for name, folder in targets().items():
            seeds = [path.stat().st_size for path in (folder / "corpus" / name).iterdir()]
            self.assertTrue(1 <= len(seeds) <= SEEDS_MAX, "%s has %d seeds" % (name, len(seeds)))
            self.assertLessEqual(max(seeds), SEED_BYTES_MAX, name)

    def test_a_corpus_belongs_to_a_target(self):
        corpora = {path.name: path.parent.parent for path in (ROOT / "src").glob("*/corpus/*")}
        self.assertEqual(corpora, targets())

    def test_the_table_of_inputs_names_each(self):
        # semantics.md 10.4: every input has a fuzz target
        text = (ROOT / "docs" / "reliability.md").read_text()
        begin = text.index("### Every input has a target")
        table = text[begin:text.index("\n### ", begin + 1)]
        named = [name for row in re.findall(r"^\|[^|]*\|([^|]*)\|$", table, re.M) for name in re.findall(r"`(\w+)`", row)]
        self.assertEqual(sorted(named), sorted(targets()))

    def test_a_dictionary_belongs_to_a_target(self):
        for path in (ROOT / "fuzz" / "dictionaries").iterdir():
            self.assertIn(path.stem, targets())


if __name__ == "__main__":
    unittest.main()
