"""What operators see on the admin addresses: docs/edge-protocol.md, docs/operations/; semantics.md 6.1, 9.4."""
import pathlib, re, signal, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from sse import SseClient


class Operators(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.backend = self.enterContext(harness.backend("--canary", "200ms"))

    def gateway(self, id="gw-1"):
        g = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / id, "--backoff", "50ms", id=id))
        harness.wait_for("ready", g.ready_now)
        return g

    def client(self, gateway, user, session):
        c = SseClient(gateway.listen, self.keys.token(user, session))
        self.addCleanup(c.close)
        c.until("welcome")
        return c

    def subscriptions(self):
        return {row["gateway_client_id"]: row for row in harness.get(self.backend.admin, "/v1/subscriptions").json["subscriptions"]}

    def test_subscriptions_show_who_lags_and_by_how_much_6_1(self):
        one, two = self.gateway("gw-1"), self.gateway("gw-2")
        rows = self.subscriptions()
        self.assertEqual(set(rows), {"gw-1", "gw-2"})
        self.assertEqual(rows["gw-1"]["peer"], "127.0.0.1")
        two.process.send_signal(signal.SIGSTOP)
        body = "\n".join('{"user_id":"u","kind":"k","payload":{"x":"%s"}}' % ("y" * 10_000) for _ in range(1_000))
        for _ in range(4):
            self.assertEqual(harness.post(self.backend.listen, "/v1/events", body, "application/x-ndjson").status, 200)

        def behind():
            row = self.subscriptions()["gw-2"]
            return row if row["lag_ms"] >= 1_000 else None
        row = harness.wait_for("gw-2 lags", behind)
        self.assertGreater(row["lag_entries"], 1_000)
        self.assertGreater(row["lag_bytes"], 10_000 * 1_000)
        harness.wait_for("gw-1 keeps up", lambda: self.subscriptions()["gw-1"]["lag_entries"] == 0)
        self.assertGreater(self.backend.metric("galaxy_push_subscriptions_lag_max_bytes"), 10_000_000)
        two.process.send_signal(signal.SIGCONT)
        harness.wait_for("gw-2 has caught up", lambda: self.subscriptions()["gw-2"]["lag_entries"] == 0)
        two.stop(signal.SIGKILL)
        harness.wait_for("gw-2 is gone", lambda: "gw-2" not in self.subscriptions())
        self.gateway("gw-2")
        self.assertGreater(int(self.subscriptions()["gw-2"]["generation"]), int(row["generation"]))

    def test_sessions_of_a_user_are_listed_to_a_bound(self):
        g = self.gateway()
        clients = [self.client(g, "many", "s-%d" % n) for n in range(105)]
        self.client(g, "one", "s")
        ask = lambda query: harness.get(g.admin, "/v1/sessions?" + query)
        answer = ask("user=many").json
        self.assertEqual((len(answer["sessions"]), answer["total"]), (100, 105))
        self.assertEqual(answer["sessions"][0]["session"], "s-104")
        self.assertEqual(len(ask("user=many&limit=1000").json["sessions"]), 105)
        answer = ask("user=many&session=s-7").json
        self.assertEqual([(s["session"], s["transport"], s["state"]) for s in answer["sessions"]], [("s-7", "sse", "live")])
        self.assertEqual(answer["total"], 1)
        self.assertEqual(ask("user=nobody").json, {"sessions": [], "total": 0})
        for bad in ("", "user=", "user=many&limit=0", "user=many&limit=1001", "user=many&limit=ten", "user=many&limit=-1"):
            self.assertEqual(ask(bad).status, 400, bad)
        clients[7].close()

    def test_every_metric_that_operations_md_names_is_there_9_4(self):
        g = self.gateway()
        c = self.client(g, "u", "s")
        harness.publish(self.backend.listen, user_id="u")
        c.until("event")
        harness.invalidate(self.backend.listen, user_id="u", device_session_id="s")
        c.until("bye")
        told = {p: harness.get(p.admin, "/metrics").text for p in (self.backend, g)}
        served = set(re.findall(r"^# TYPE (\S+)", "".join(told.values()), re.M))
        page = (harness.ROOT / "docs" / "operations" / "README.md").read_text()
        named = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bgalaxy_push_[a-z0-9_]+", page)}
        self.assertGreater(len(named), 10)
        # Counters by reason appear with their first event.
        late = {"galaxy_push_edge_refused_total", "galaxy_push_feed_ends_total"}
        self.assertEqual(named - served - late, set())
        for name, label in re.findall(r"\b(galaxy_push_[a-z0-9_]+)\{([a-z]+)", page):
            if name not in late:
                self.assertRegex("".join(told.values()), r"(?m)^%s\{.*\b%s=" % (name, label))

    def test_latencies_are_histograms(self):
        g = self.gateway()
        c = self.client(g, "u", "s")
        for _ in range(10):
            harness.publish(self.backend.listen, user_id="u")
            c.until("event")
        harness.invalidate(self.backend.listen, user_id="u", device_session_id="s")
        c.until("bye")
        self.assertEqual(g.metric("galaxy_push_gateway_delivery_seconds_count"), 10)
        self.assertEqual(g.metric("galaxy_push_gateway_delivery_seconds_bucket", 'le="1"'), 10)
        self.assertEqual(g.metric("galaxy_push_gateway_invalidation_apply_seconds_count"), 1)


if __name__ == "__main__":
    unittest.main()
