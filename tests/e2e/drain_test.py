"""Backends and gateways that are told to go, under load: semantics.md 6.5."""
import pathlib, signal, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import grpc
from sse import SseClient

push = harness.messages("galaxy/backend/push/v1/push")
SUBSCRIBE = "/galaxy.backend.push.v1.Push/SubscribePush"


class Publisher(threading.Thread):
    """Publishes batches until it is refused; remembers what was acknowledged, and how it ended."""

    def __init__(self, address, number):
        super().__init__()
        self.address, self.number = address, number
        self.acknowledged, self.refused = [], 0

    def run(self):
        for n in range(1_000_000):
            ids = ["p%d-%d-%d" % (self.number, n, i) for i in range(50)]
            body = "\n".join('{"user_id":"u","kind":"k","event_id":"%s","payload":{}}' % i for i in ids)
            try:
                answer = harness.post(self.address, "/v1/events", body, "application/x-ndjson")
            except OSError:
                return  # nobody listens any more
            if answer.status != 200:
                self.refused += 1
                return
            for id, line in zip(ids, answer.lines):
                if "cursor" in line:
                    self.acknowledged.append((line["cursor"], id))


class Reader(threading.Thread):
    """A subscriber that is not ours, until its stream ends."""

    def __init__(self, address, id, since=None):
        super().__init__()
        self.channel = grpc.insecure_channel(address)
        metadata = [("push-since", since)] if since else []
        self.call = self.channel.unary_stream(SUBSCRIBE, push.GatewaySubscribeRequest.SerializeToString, push.PushEvent.FromString)(
            push.GatewaySubscribeRequest(gateway_client_id=id), metadata=metadata)
        self.head = dict(self.call.initial_metadata())["push-head-cursor"]
        self.entries, self.error = [], None

    def run(self):
        try:
            for entry in self.call:
                self.entries.append((entry.cursor, entry.client_event.event_id))
        except grpc.RpcError as error:
            self.error = error


class Drain(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)

    def durable(self, *arguments, **more):
        return self.enterContext(harness.backend(*arguments, data=self.folder / "log", **more))

    def test_a_backend_under_load_keeps_and_delivers_what_it_acknowledged_6_5(self):
        b = self.durable()
        reader = Reader(b.listen, "reader")
        reader.start()
        publishers = [Publisher(b.listen, n) for n in range(4)]
        for p in publishers:
            p.start()
        harness.wait_for("load", lambda: all(len(p.acknowledged) > 500 for p in publishers))
        told = time.monotonic()
        self.assertEqual(b.terminate(), 0)
        self.assertLess(time.monotonic() - told, 7)
        for thread in [*publishers, reader]:
            thread.join(20)
        acknowledged = sorted(a for p in publishers for a in p.acknowledged)
        self.assertEqual(reader.error.code(), grpc.StatusCode.UNAVAILABLE)
        trailers = dict(reader.error.trailing_metadata())
        self.assertEqual(trailers["push-close-reason"], "drain")
        self.assertEqual(trailers["push-head-cursor"], reader.entries[-1][0])
        # Delivered before the end, in order, none missing and none twice.
        of_load = [e for e in reader.entries if e[1].startswith("p")]
        self.assertEqual(of_load, sorted(of_load))
        self.assertEqual([e for e in of_load if e in set(acknowledged)], acknowledged)
        self.assertEqual(len({id for _, id in of_load}), len(of_load))
        # And there after the restart.
        b = self.durable()
        again = Reader(b.listen, "again", since="0")
        again.start()
        harness.wait_for("the log", lambda: again.entries and again.entries[-1][0] > acknowledged[-1][0])
        again.call.cancel()
        again.join(20)
        self.assertEqual([e for e in again.entries if e[1].startswith("p")], of_load)

    def test_a_second_signal_ends_at_once_6_5(self):
        b = self.durable("--drain", "60s")
        g = self.enterContext(harness.gateway(b.listen, self.keys, self.folder / "gw", "--drain-spread", "60s"))
        harness.wait_for("ready", g.ready_now)
        clients = [SseClient(g.listen, self.keys.token("u", "s-%d" % n)) for n in range(4)]
        for c in clients:
            self.addCleanup(c.close)
            c.until("welcome")
        g.process.send_signal(signal.SIGTERM)
        harness.wait_for("drains", lambda: "drains" in g.output())
        time.sleep(0.2)
        self.assertIsNone(g.process.poll(), "the clients leave over a minute")
        self.assertEqual(harness.get(g.admin, "/readyz").status, 503)
        g.process.send_signal(signal.SIGTERM)
        self.assertEqual(g.process.wait(5), 130)

    def test_gateways_and_clients_survive_a_rolling_restart_of_the_backend_6_4_6_5(self):
        b = self.durable()
        address = b.listen
        g = self.enterContext(harness.gateway(address, self.keys, self.folder / "gw", "--backoff", "50ms", "--backoff-max", "200ms"))
        harness.wait_for("ready", g.ready_now)
        c = SseClient(g.listen, self.keys.token("u", "s"))
        self.addCleanup(c.close)
        c.until("welcome")
        sent = []
        for turn in range(3):
            harness.wait_for("subscribed", lambda: g.metric("galaxy_push_feed_connected") == 1)
            sent += [harness.publish(address, user_id="u") for _ in range(20)]
            self.assertEqual(b.terminate(), 0)
            b = self.durable(listen=address)
            sent += [harness.publish(address, user_id="u") for _ in range(20)]
        self.assertEqual([c.until("event")["cursor"] for _ in sent], sent)
        self.assertEqual(g.metric("galaxy_push_feed_gaps_total"), 0)
        self.assertEqual(g.metric("galaxy_push_feed_ends_total", 'cause="drain"'), 3)
        self.assertTrue(g.ready_now())


if __name__ == "__main__":
    unittest.main()
