"""What is made of copies and of a history, without servers."""
import pathlib, sys, types, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import plane, replicas


class Replicas(unittest.TestCase):
    def test_equal_copies_do_not_differ(self):
        found = {"n1": {1: "a", 2: "b"}, "n2": {1: "a", 2: "b"}}
        self.assertEqual(replicas.differences(found), [])
        self.assertEqual(replicas.missing(found, ["a", "b"]), [])

    def test_another_message_at_a_place_and_one_too_many_are_differences(self):
        for other in ({1: "a", 2: "x"}, {1: "a"}, {1: "a", 2: "b", 3: "c"}):
            self.assertEqual(len(replicas.differences({"n1": {1: "a", 2: "b"}, "n2": other, "n3": {1: "a", 2: "b"}})), 1, other)

    def test_each_copy_holds_what_was_acknowledged(self):
        found = {"n1": {1: 17, 2: 25}, "n2": {1: 17}}
        self.assertEqual(replicas.missing(found, [17]), [])
        self.assertEqual(replicas.missing(found, [17, 25]), ["n2 lacks 1 of what was acknowledged, the first 25"])


class Silences(unittest.TestCase):
    def test_the_longest_pause_between_acknowledgements_counts_to_the_fault_before_it(self):
        acks = [{"t": t, "what": "ack"} for t in (0.0, 1.0, 6.5, 7.0, 10.0, 10.5)]
        marks = [{"t": t, "what": "kill", "role": "fault", "aim": aim} for t, aim in ((1.5, "killed"), (9.8, "cut"))]
        verdict = types.SimpleNamespace(publishers=acks, main=marks)
        self.assertEqual(plane.silences(verdict), {"killed": [5.5], "cut": [0.5]})


if __name__ == "__main__":
    unittest.main()
