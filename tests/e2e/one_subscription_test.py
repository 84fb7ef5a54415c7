"""One subscription per gateway_client_id across backends that are processes of their own: semantics.md 5.4, 5.2.

One real nats-server, two backends, and grpcio as the gateways.
"""
import pathlib, signal, sys, time, unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
for folder in ("support", "cluster", "interop"):
    sys.path.insert(0, str(TESTS / folder))
import harness
import grpc
from grpcio_subscribe_test import Subscription, channel
from servers import Cluster


class OneSubscription(unittest.TestCase):
    def setUp(self):
        self.servers = self.enterContext(Cluster(self.enterContext(harness.folder()), count=1)).start()
        self.backends = [self.enterContext(self.backend()) for _ in range(2)]
        self.channels = [channel(b.listen) for b in self.backends]
        for c in self.channels:
            self.addCleanup(c.close)

    def backend(self):
        return harness.Process("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--engine", "jetstream",
                               "--nats", self.servers.urls)

    def subscribe(self, at, id="gw", **more):
        s = Subscription(self.channels[at], id, **more)
        self.addCleanup(s.call.cancel)
        return s

    def accepted(self, at, id="gw", **more):
        """A subscription, and its generation."""
        s = self.subscribe(at, id, **more)
        metadata = s.metadata()
        self.assertIn("push-generation", metadata, s.call.details)
        return s, int(metadata["push-generation"])

    def accepted_in_the_end(self, at, id="gw"):
        def attempt():
            s = self.subscribe(at, id)
            metadata = s.metadata()
            return (s, int(metadata["push-generation"])) if "push-generation" in metadata else None
        return harness.wait_for("a subscription is accepted", attempt)

    def assert_superseded(self, old):
        status, message, trailers, _ = old.end()
        self.assertEqual((status, message, trailers["push-close-reason"]),
                         (grpc.StatusCode.ABORTED, "superseded", "superseded"))

    # semantics.md 5.4, 5.2, 4.1
    def test_the_newest_wins_wherever_it_comes_and_the_older_ends_within_a_second(self):
        newest, generation = self.accepted(0)
        other, _ = self.accepted(0, "other")
        for turn in range(1, 21):
            old, at = newest, turn % 2
            newest, above = self.accepted(at)
            accepted = time.monotonic()
            self.assert_superseded(old)
            self.assertLess(time.monotonic() - accepted, 1.0)
            self.assertGreater(above, generation)
            generation = above
            # The newest gets what is published at either backend, from where it began.
            for backend in self.backends:
                harness.publish(backend.listen, user_id="turn-%d" % turn)
            self.assertEqual([newest.next().client_event.user_id for _ in range(2)], ["turn-%d" % turn] * 2)
        self.assertTrue(other.call.is_active())
        self.assertEqual(sum(int(b.metric("galaxy_push_subscriptions_open")) for b in self.backends), 2)
        self.assertEqual(sum(int(b.metric("galaxy_push_claims_failed_total")) for b in self.backends), 0)

    # semantics.md 5.4: the backend with the older stream does not turn; the new one waits for nobody.
    def test_a_backend_that_hangs_holds_nobody_up_and_ends_the_older_stream_when_it_goes_on(self):
        old, generation = self.accepted(0)
        self.backends[0].process.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            newest, above = self.accepted(1)
            self.assertLess(time.monotonic() - begun, 1.0)
            self.assertGreater(above, generation)
        finally:
            self.backends[0].process.send_signal(signal.SIGCONT)
        goes_on = time.monotonic()
        self.assert_superseded(old)
        self.assertLess(time.monotonic() - goes_on, 1.0)
        harness.publish(self.backends[0].listen, user_id="ann")
        self.assertEqual(newest.next().client_event.user_id, "ann")

    # semantics.md 5.4, 4.1
    def test_without_servers_new_ones_are_unavailable_and_generations_rise_over_a_restart_of_everything(self):
        old, generation = self.accepted(0)
        self.servers.servers[0].kill()
        refused = self.subscribe(1)
        status, _, _, _ = refused.end()
        self.assertEqual(status, grpc.StatusCode.UNAVAILABLE)
        self.assertTrue(old.call.is_active())
        self.servers.start()
        newest, above = self.accepted_in_the_end(1)
        self.assertGreater(above, generation)
        self.assert_superseded(old)
        self.servers.servers[0].stop()
        for backend in self.backends:
            backend.stop(signal.SIGKILL)
        self.servers.start()
        self.backends = [self.enterContext(self.backend()) for _ in range(2)]
        self.channels = [channel(b.listen) for b in self.backends]
        _, again = self.accepted_in_the_end(0)
        self.assertGreater(again, above)


if __name__ == "__main__":
    unittest.main(verbosity=2)
