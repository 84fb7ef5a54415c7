"""Real backends and gateways, several of each, stopped and started: semantics.md 1.2, 4.6, 5.3, 6.5, 7.4, 7.5."""
import contextlib, pathlib, signal, sqlite3, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import grpc
from sse import SseClient

push = harness.messages("galaxy/backend/push/v1/push")


class Plane(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.backend = self.enterContext(harness.backend())

    def gateway(self, id, *arguments, data=None, ready=True):
        g = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / (data or id), *arguments, id=id))
        if ready:
            harness.wait_for("%s is ready" % id, g.ready_now)
        return g

    def client(self, gateway, user="u-1", session="s-1", cursor=None):
        c = SseClient(gateway.listen, self.keys.token(user, session), cursor)
        self.addCleanup(c.close)
        self.assertEqual(c.status, 200)
        return c

    def publish(self, **event):
        return harness.publish(self.backend.listen, **({"user_id": "u-1"} | event))

    def test_a_client_resumes_at_another_gateway_of_the_plane_7_4(self):
        one, two = self.gateway("gw-1"), self.gateway("gw-2")
        c = self.client(one)
        self.assertEqual(c.until("welcome")["resume"], "fresh")
        sent = [self.publish(payload={"n": n}) for n in range(6)]
        self.assertEqual(c.until("event")["cursor"], sent[0])
        c.close()
        again = self.client(two, cursor=sent[0])
        self.assertEqual(again.until("welcome")["resume"], "resumed")
        self.assertEqual([again.until("event")["cursor"] for _ in range(5)], sent[1:])

    def test_a_gateway_that_starts_later_serves_the_whole_window_4_10(self):
        sent = [self.publish(payload={"n": n}) for n in range(6)]
        late = self.gateway("gw-late")
        c = self.client(late, cursor=sent[1])
        self.assertEqual(c.until("welcome")["resume"], "resumed")
        self.assertEqual([c.until("event")["cursor"] for _ in range(4)], sent[2:])

    def test_gateways_with_one_key_file_sign_alike(self):
        made = harness.subprocess.run([harness.BINARY, "keys", "envelope", "--out", str(self.folder / "envelope.json")], capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        shared = ["--envelope-keys", self.folder / "envelope.json"]
        one, two = self.gateway("gw-1", *shared), self.gateway("gw-2", *shared)
        answers = [harness.get(g.listen, "/.well-known/jwks.json").json for g in (one, two)]
        self.assertEqual(answers[0], answers[1])
        self.assertNotIn("d", answers[0]["keys"][0])

    def test_a_new_log_of_the_memory_engine_is_a_gap_for_everybody_1_2_7_5(self):
        g = self.gateway("gw-1", "--unknown-spread", "0s")
        c = self.client(g)
        c.until("welcome")
        before = self.publish()
        self.assertEqual(c.until("event")["cursor"], before)
        address = self.backend.listen
        self.backend.stop(signal.SIGKILL)
        self.backend = self.enterContext(harness.backend(listen=address))
        gap = c.until("gap")
        self.assertEqual(gap["reason"], "unknown")
        self.assertGreater(gap["head"], before)
        # Invalidations may have been lost with the old log: those admitted before sign in again (9.3).
        self.assertEqual(c.until("bye")["code"], 4504)
        harness.wait_for("ready again", g.ready_now)
        again = self.client(g)
        again.until("welcome")
        after = self.publish()
        self.assertGreater(after, before)
        self.assertEqual(again.until("event")["cursor"], after)

    def test_a_short_partition_loses_nothing_4_2_7_1(self):
        g = self.gateway("gw-1")
        c = self.client(g)
        c.until("welcome")
        g.process.send_signal(signal.SIGSTOP)
        sent = [self.publish(payload={"n": n}) for n in range(200)]
        g.process.send_signal(signal.SIGCONT)
        self.assertEqual([c.until("event")["cursor"] for _ in range(200)], sent)

    def test_a_restarted_gateway_goes_on_at_its_cursor_7_2(self):
        g = self.gateway("gw-1")
        c = self.client(g)
        c.until("welcome")
        first = self.publish()
        self.assertEqual(c.until("event")["cursor"], first)
        g.stop(signal.SIGKILL)
        missed = [self.publish(payload={"n": n}) for n in range(5)]
        g = self.gateway("gw-1")
        again = self.client(g, cursor=first)
        self.assertEqual(again.until("welcome")["resume"], "resumed")
        self.assertEqual([again.until("event")["cursor"] for _ in range(5)], missed)

    def test_a_restarted_gateway_still_refuses_what_was_revoked_8_7(self):
        g = self.gateway("gw-1")
        harness.invalidate(self.backend.listen, user_id="u-1", device_session_id="s-1", reason="stolen")
        token = self.keys.token("u-1", "s-1")
        harness.wait_for("refused", lambda: SseClient(g.listen, token).status == 401)
        g.stop(signal.SIGKILL)
        g = self.gateway("gw-1")
        self.assertEqual(SseClient(g.listen, token).status, 401)

    def test_a_superseded_gateway_alarms_and_is_not_ready_5_3(self):
        one = self.gateway("same", data="a")
        two = self.gateway("same", data="b")
        harness.wait_for("the first is not ready", lambda: harness.get(one.admin, "/readyz").status == 503)
        self.assertIn("same gateway id", harness.get(one.admin, "/readyz").text)
        self.assertTrue(two.ready_now())

    def test_a_draining_gateway_sends_clients_elsewhere_and_ends_well_6_5(self):
        g = self.gateway("gw-1", "--drain-spread", "500ms")
        clients = [self.client(g, session="s-%d" % n) for n in range(5)]
        for c in clients:
            c.until("welcome")
        last = self.publish()
        for c in clients:
            self.assertEqual(c.until("event")["cursor"], last)
        g.process.send_signal(signal.SIGTERM)
        for c in clients:
            bye = None
            while bye is None:
                bye = c.frame().get("bye")
            self.assertEqual((bye["code"], bye["verdict"]), (1001, "resume"))
        self.assertEqual(g.process.wait(20), 0)
        # Not older than the event; a canary may have come after it. Cursors compare as text (1.1).
        with contextlib.closing(sqlite3.connect(self.folder / "gw-1" / "gateway.db")) as state:
            (stored,) = state.execute("SELECT cursor FROM state").fetchone()
        self.assertGreaterEqual(stored, last)

    def test_a_reader_that_the_ring_overtakes_is_told_4_6(self):
        small = self.enterContext(harness.backend("--ring-bytes", "1MiB"))
        channel = grpc.insecure_channel(small.listen, options=[("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)])
        self.addCleanup(channel.close)
        call = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush", push.GatewaySubscribeRequest.SerializeToString, push.PushEvent.FromString)(
            push.GatewaySubscribeRequest(gateway_client_id="slow"))
        call.initial_metadata()
        body = "\n".join('{"user_id":"u","kind":"k","payload":{"x":"%s"}}' % ("y" * 1000) for _ in range(4000))
        for _ in range(5):
            self.assertEqual(harness.post(small.listen, "/v1/events", body, "application/x-ndjson").status, 200)
        cursors = []
        with self.assertRaises(grpc.RpcError) as caught:
            for entry in call:
                cursors.append(entry.cursor)
        trailers = dict(call.trailing_metadata())
        self.assertEqual((caught.exception.code(), trailers["push-close-reason"]), (grpc.StatusCode.OUT_OF_RANGE, "overrun"))
        # What did arrive has no hole, and the trailer names the last of it.
        sequences = [int(c[:16], 16) for c in cursors]
        self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(sequences))))
        self.assertEqual(trailers["push-head-cursor"], cursors[-1])


if __name__ == "__main__":
    unittest.main()
