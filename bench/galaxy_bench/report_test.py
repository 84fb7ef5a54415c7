"""The figures on the page are what was measured: medians, ratios by turn, verdicts, fits, and failures that are not hidden."""
import os, pathlib, sys, tempfile, unittest

os.environ.setdefault("GALAXY_BUILD", tempfile.gettempdir())
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measure, report, run, support


def row_of(function, id="r"):
    return measure.Row(id, "what", "asked", "method.", function)


def measured(function, repeat=3):
    return measure.measure(row_of(function), repeat, False) | {"date": "2026-01-02 03:04 UTC"}


def page_of(*rows):
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "performance.md"
        report.write({"date": "D", "smoke": False, "repeat": 3, "machine": {"server_cpu": 0, "load_cpu": 1}, "versions": {"x": "1"}, "rows": list(rows)}, page)
        return page.read_text(), sorted(p.name for p in page.with_suffix("").glob("*")) if page.with_suffix("").exists() else []


class Figures(unittest.TestCase):
    def test_subjects_take_turns_and_the_ratio_is_the_median_of_the_turns(self):
        order, ours, theirs = [], iter((10, 100, 40)), iter((1, 20, 2))

        def function(m):
            m.subject("a", "A", lambda: order.append("a") or {"u/s": next(ours)})
            m.subject("b", "B", lambda: order.append("b") or {"u/s": next(theirs)})
            m.run()
            m.reach("ratio", m.ratio("a", "b", "u/s"), at_least=10)
            self.assertEqual((m.of("a", "u/s"), m.ratio("a", "b", "u/s")), (40, 10))
        result = measured(function)
        self.assertEqual(order, ["a", "b"] * 3)
        self.assertEqual(result["subjects"][0]["figures"]["u/s"], {"median": 40, "all": [10, 100, 40]})

    def test_an_absent_peer_is_named_and_nothing_is_judged_against_it(self):
        def absent():
            raise support.Absent("nowhere to be found")

        def function(m):
            m.subject("a", "A", lambda: {"u/s": 1})
            m.subject("b", "B", absent)
            m.run()
            m.reach("ratio", m.ratio("a", "b", "u/s"), at_least=10)
        text, _ = page_of(measured(function))
        self.assertIn("absent: nowhere to be found", text)
        self.assertIn("not measured: the peer is absent", text)

    def test_a_row_without_a_figure_is_a_failure(self):
        with self.assertRaisesRegex(RuntimeError, "no figure"):
            measured(lambda m: m.run())
        with self.assertRaisesRegex(RuntimeError, "no number"):
            measured(lambda m: (m.subject("a", "A", lambda: {"u/s": float("nan")}), m.run()))

    def test_a_row_that_fails_is_named_and_the_others_are_kept(self):
        def fails(m):
            raise RuntimeError("broken on purpose")

        def works(m):
            m.subject("a", "A", lambda: {"u/s": 1})
            m.run()
        options = type("Options", (), {"repeat": 3, "smoke": True})
        sys.stderr, before = open(os.devnull, "w"), sys.stderr
        try:
            done, failed = run.measure_rows([row_of(fails, "bad"), row_of(works, "good")], options)
        finally:
            sys.stderr.close()
            sys.stderr = before
        self.assertEqual((list(done), failed), (["good"], ["bad"]))

    def test_a_program_of_ours_that_was_not_built_is_no_absent_peer(self):
        with self.assertRaisesRegex(RuntimeError, "GALAXY_BENCH"):
            support.program("there is no such program")
        with self.assertRaises(support.Absent):
            support.program("there is no such program", "some-package")


class Verdicts(unittest.TestCase):
    def test_bounds_on_both_sides(self):
        def outcome(**target):
            return report.verdict({"what": "w", "at_least": None, "at_most": None} | target)[1]
        self.assertEqual(outcome(value=5, at_least=5), "reached")
        self.assertEqual(outcome(value=5, at_most=5), "reached")
        self.assertEqual(outcome(value=4, at_least=5), "**falls short by 20 %**")
        self.assertEqual(outcome(value=10, at_most=5), "**falls short: 2 times what is allowed**")
        self.assertEqual(outcome(value=10), "")

    def test_numbers_as_people_read_them(self):
        self.assertEqual([measure.number(v) for v in (None, 0.1234, 3.14159, 1234, 12_345, 5_000_000, -2_500_000)],
                         ["-", "0.123", "3.14", "1234", "12.3 k", "5 M", "-2.5 M"])

    def test_a_straight_line_is_known_and_a_bent_one_too(self):
        base, slope, fit = report.line_fit([(1, 5), (2, 7), (10, 23)])
        self.assertAlmostEqual(base, 3)
        self.assertAlmostEqual(slope, 2)
        self.assertAlmostEqual(fit, 1)
        self.assertLess(report.line_fit([(1, 1), (2, 0), (3, 9), (4, 2)])[2], 0.5)


class Plots(unittest.TestCase):
    def test_a_curve_is_measured_by_turns_drawn_and_told_in_numbers(self):
        def function(m):
            m.plot("curve", "Title", "x", "y", m.curve((1, 2, 3), lambda x: {"line": 2 * x + 1}), straight=True)
        text, files = page_of(measured(function))
        self.assertIn("1: 3, 2: 5, 3: 7; straight line 1 + 2 x, R² 1.0000", text)
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            return self.assertIn("python3-matplotlib is absent", text)
        self.assertEqual(files, ["curve.svg"])


class Clocks(unittest.TestCase):
    def test_cpu_time_is_the_process_own_with_all_its_threads(self):
        before = support.cpu_ns(os.getpid())
        support.InBackground(lambda: sum(range(2_000_000))).join_result()
        self.assertGreater(support.cpu_ns(os.getpid()) - before, 2_000_000)


if __name__ == "__main__":
    unittest.main()
