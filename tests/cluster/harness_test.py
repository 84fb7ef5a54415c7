"""The harness itself: a cluster that loses a server, a cable that is pulled, a disk that takes long."""
import pathlib, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import nats, network
from servers import Cluster
from slow_disk import SlowDisk, tracer_of

STREAM = {"name": "T", "subjects": ["t.*"], "num_replicas": 3, "storage": "file"}


class Harness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(harness.folder())
        cls.machines = [network.Machine("n%d" % n, 10 + n) for n in (1, 2, 3)]
        for machine in cls.machines:
            cls.addClassCleanup(machine.end)
        cls.cluster = cls.enterClassContext(Cluster(folder, cls.machines))
        cls.cluster.start()
        with cls.cluster.connect() as client:
            client.api("STREAM.CREATE.T", STREAM, timeout=5)

    def store(self, payload, server=None, id=None, timeout=2.0):
        with self.cluster.connect(server=server) as client:
            return client.store("t.1", payload, id, timeout=timeout)["seq"]

    def store_until(self, payload, server=None, seconds=30):
        def attempt():
            try:
                return self.store(payload, server, timeout=0.5)
            except (OSError, nats.NatsError):
                return None
        return harness.wait_for("the stream takes a message", attempt, seconds)

    def test_a_server_that_is_killed_hands_the_stream_on_and_comes_back(self):
        first = self.store_until(b"before")
        leader = self.cluster.leader("T")
        leader.kill()
        second = self.store_until(b"after")
        self.assertGreater(second, first)
        self.assertNotEqual(self.cluster.leader("T"), leader)
        leader.start()
        self.cluster.wait_healthy()
        harness.wait_for("it has caught up", lambda: leader.streams().get("T", (0, 0, 0))[2] >= second)
        with self.cluster.connect() as client:
            self.assertEqual(client.message("T", first)["payload"], b"before")

    def test_a_pulled_cable_separates_and_can_still_be_watched(self):
        follower = self.cluster.followers("T")[0]
        other = next(s for s in self.cluster.followers("T") if s is not follower)
        before = follower.streams()["T"][2]
        follower.machine.cut()
        try:
            # A server without the others tells its clients so, or does not answer.
            with self.cluster.connect(server=follower) as client, self.assertRaises(nats.NatsError):
                client.store("t.1", b"at the far side")
            last = self.store_until(b"without it", other)
            harness.wait_for("the other follower has it", lambda: other.streams()["T"][2] >= last)
            self.assertEqual(follower.streams()["T"][2], before)
        finally:
            follower.machine.heal()
        harness.wait_for("it has caught up", lambda: follower.streams().get("T", (0, 0, 0))[2] >= last)

    def test_a_slow_disk_slows_the_leader_and_only_as_long_as_it_lasts(self):
        leader = self.cluster.leader("T")
        self.store_until(b"warm")
        with SlowDisk(leader.process, ms=100):
            begun = time.monotonic()
            self.store(b"slow", leader, timeout=10)
            slow_s = time.monotonic() - begun
        self.assertGreater(slow_s, 0.1)
        self.assertEqual(tracer_of(leader.process.pid), 0)
        begun = time.monotonic()
        self.store(b"fast", leader)
        self.assertLess(time.monotonic() - begun, slow_s)

    def test_a_message_id_is_stored_once(self):
        first = self.store_until(b"x")
        with self.cluster.connect() as client:
            answers = [client.store("t.1", b"x", "id-1", timeout=5) for _ in range(2)]
        self.assertEqual(answers[0]["seq"], first + 1)
        self.assertEqual((answers[1]["seq"], answers[1]["duplicate"]), (first + 1, True))

    def test_a_subject_that_nobody_serves_says_so(self):
        with self.cluster.connect() as client:
            with self.assertRaises(nats.NoResponders):
                client.request("nobody.here")
            with self.assertRaises(nats.NatsError) as caught:
                client.stream("none")
            self.assertEqual(caught.exception.code, 404)


if __name__ == "__main__":
    network.enter()
    unittest.main()
