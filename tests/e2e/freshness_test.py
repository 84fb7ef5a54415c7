"""What a gateway does when it cannot know, with real processes: semantics.md 9.1, 9.2, 9.3, 9.4."""
import http.client, pathlib, signal, socket, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from sse import SseClient

# T(STALE) = 3 canaries + stale-after = 2.5 s after the newest entry.
CANARY = ["--canary", "500ms"]
SHORT = ["--stale-spread", "2s", "--backoff", "50ms", "--backoff-max", "200ms"]
STALE_S = 2.5


class Freshness(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.backend = self.enterContext(harness.backend(*CANARY))

    def gateway(self, *arguments, stale_after="1s", ready=True):
        g = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / "gw", *SHORT, "--stale-after", stale_after, *arguments))
        if ready:
            harness.wait_for("ready", g.ready_now)
        return g

    def connect(self, gateway, user="u-1", session="s-1", cursor=None):
        c = SseClient(gateway.listen, self.keys.token(user, session), cursor)
        self.addCleanup(c.close)
        return c

    def first(self, gateway, **who):
        return next(iter(self.connect(gateway, **who).frame().items()))

    def state(self, gateway):
        return [s for s in ("stale", "suspect", "fresh") if gateway.metric("galaxy_push_gateway_freshness", 'state="%s"' % s) == 1]

    def test_a_stopped_backend_makes_it_stale_and_everything_recovers_by_itself_9_1_9_2_9_4(self):
        g = self.gateway()
        harness.invalidate(self.backend.listen, user_id="u-1", device_session_id="gone", reason="stolen")
        harness.wait_for("refused", lambda: self.connect(g, session="gone").status == 401)
        clients = [self.connect(g, session="s-%d" % n) for n in range(10)]
        for c in clients:
            c.until("welcome")
        last = harness.publish(self.backend.listen, user_id="u-1")
        for c in clients:
            self.assertEqual(c.until("event")["cursor"], last)
        self.assertEqual(self.state(g), ["fresh"])

        self.backend.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        harness.wait_for("suspect", lambda: self.state(g) == ["suspect"])
        self.assertTrue(g.ready_now())
        harness.wait_for("not ready", lambda: not g.ready_now())
        took = time.monotonic() - stopped
        self.assertLess(took, STALE_S + 1.5)
        self.assertGreater(took, STALE_S - 1.0)
        self.assertIn("nothing young", harness.get(g.admin, "/readyz").text)
        self.assertEqual(harness.get(g.admin, "/livez").status, 200)
        name, bye = self.first(g, session="new")
        self.assertEqual((name, bye["code"], bye["verdict"]), ("bye", 4453, "resume"))
        self.assertEqual(self.connect(g, session="gone").status, 401)
        for c in clients:
            self.assertEqual(c.until("bye")["code"], 4453)
        self.assertLess(time.monotonic() - stopped, STALE_S + 2 + 3)

        self.backend.process.send_signal(signal.SIGCONT)
        harness.wait_for("ready again", g.ready_now)
        self.assertEqual(self.state(g), ["fresh"])
        again = self.connect(g, session="s-0", cursor=last)
        self.assertEqual(again.until("welcome")["resume"], "resumed")
        later = harness.publish(self.backend.listen, user_id="u-1")
        self.assertEqual(again.until("event")["cursor"], later)

    def test_a_short_stop_closes_nobody_9_1(self):
        g = self.gateway(stale_after="20s")
        c = self.connect(g)
        c.until("welcome")
        self.backend.process.send_signal(signal.SIGSTOP)
        harness.wait_for("suspect", lambda: self.state(g) == ["suspect"])
        self.backend.process.send_signal(signal.SIGCONT)
        harness.wait_for("fresh", lambda: self.state(g) == ["fresh"])
        sent = harness.publish(self.backend.listen, user_id="u-1")
        self.assertEqual(c.until("event")["cursor"], sent)
        self.assertEqual(g.metric("galaxy_push_feed_gaps_total"), 0)

    def test_livez_of_a_process_that_stands_does_not_answer_9_4(self):
        self.assertEqual(harness.get(self.backend.admin, "/livez").status, 200)
        self.backend.process.send_signal(signal.SIGSTOP)
        host, port = self.backend.admin.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=0.5)
        self.addCleanup(connection.close)
        with self.assertRaises((socket.timeout, TimeoutError)):
            connection.request("GET", "/livez")
            connection.getresponse()
        self.backend.process.send_signal(signal.SIGCONT)
        self.assertEqual(harness.get(self.backend.admin, "/livez").status, 200)

    def test_failing_open_shows_in_log_and_metric_9_2(self):
        g = self.gateway("--fail-open")
        c = self.connect(g)
        c.until("welcome")
        self.assertEqual(g.metric("galaxy_push_gateway_fail_open"), 1)
        self.assertIn("fails open", g.output())
        self.backend.process.send_signal(signal.SIGSTOP)
        harness.wait_for("stale", lambda: self.state(g) == ["stale"])
        self.assertFalse(g.ready_now())
        self.assertEqual(self.first(g, session="s-2")[0], "welcome")
        self.assertEqual(g.metric("galaxy_push_gateway_admitted_stale_total"), 1)
        self.backend.process.send_signal(signal.SIGCONT)
        harness.wait_for("fresh", lambda: self.state(g) == ["fresh"])
        sent = harness.publish(self.backend.listen, user_id="u-1")
        self.assertEqual(c.until("event")["cursor"], sent)

    def test_refusing_the_unknown_waits_for_an_operator_9_3(self):
        g = self.gateway("--on-unknown", "refuse")
        c = self.connect(g)
        c.until("welcome")
        address = self.backend.listen
        self.backend.stop(signal.SIGKILL)
        # A memory engine's next log knows nothing of the one before.
        self.backend = self.enterContext(harness.backend(*CANARY, listen=address))
        self.assertEqual(c.until("bye")["code"], 4453)
        harness.wait_for("held", lambda: g.metric("galaxy_push_gateway_unknown_held") == 1)
        self.assertIn("no operator has confirmed", harness.get(g.admin, "/readyz").text)
        # A restart does not confirm it.
        self.assertEqual(g.terminate(), 0)
        g = self.gateway("--on-unknown", "refuse", ready=False)
        harness.wait_for("held again", lambda: g.metric("galaxy_push_gateway_unknown_held") == 1)
        self.assertEqual(self.first(g)[1]["code"], 4453)
        self.assertEqual(harness.request("POST", g.admin, "/v1/confirm-unknown", headers={"Origin": "http://page.example"}).status, 403)
        self.assertEqual(harness.request("GET", g.admin, "/v1/confirm-unknown").status, 405)
        self.assertFalse(g.ready_now())
        self.assertEqual(harness.request("POST", g.admin, "/v1/confirm-unknown").json, {"confirmed": True})
        harness.wait_for("ready", g.ready_now)
        self.assertEqual(self.first(g)[0], "welcome")
        self.assertEqual(harness.request("POST", g.admin, "/v1/confirm-unknown").json, {"confirmed": False})


if __name__ == "__main__":
    unittest.main()
