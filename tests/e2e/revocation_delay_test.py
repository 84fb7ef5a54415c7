"""How long a revoked session is served in the worst case, through real processes: semantics.md 9.5.

Prints the figures that docs/operations/README.md gives; as a test it holds them to generous bounds.
"""
import pathlib, select, socket, statistics, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from sse import SseClient

SESSIONS = int(harness.os.environ.get("GALAXY_REVOCATIONS", "60"))


class Proxy(threading.Thread):
    """Passes bytes between a gateway and its backend, until it is frozen: then none, in either direction."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target.rsplit(":", 1)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        self.frozen = threading.Event()
        self.pairs, self.over = {}, False
        self.start()

    def run(self):
        while not self.over:
            if self.frozen.is_set():
                time.sleep(0.01)
                continue
            for s in select.select([self.server, *self.pairs], [], [], 0.05)[0]:
                if s is self.server:
                    ours, _ = s.accept()
                    theirs = socket.create_connection((self.target[0], int(self.target[1])))
                    self.pairs[ours], self.pairs[theirs] = theirs, ours
                elif s in self.pairs and not self.frozen.is_set():
                    self.copy(s)

    def copy(self, s):
        other = self.pairs[s]
        try:
            data = s.recv(1 << 16)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (s, other):
                end.close()
                self.pairs.pop(end, None)

    def stop(self):
        self.over = True
        self.join()
        for s in [self.server, *self.pairs]:
            s.close()


class LastByte(threading.Thread):
    """Reads a session's stream to its end and notes when the last byte came."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.at, self.text = client, None, b""
        self.start()

    def run(self):
        while True:
            data = self.client.answer.read1(1 << 16)
            if not data:
                return
            self.at, self.text = time.monotonic(), (self.text + data)[-2000:]


class RevocationDelay(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)

    def backend(self, *arguments):
        return self.enterContext(harness.backend(*arguments, data=self.folder / "log"))

    def connect(self, gateway, session, until="welcome"):
        c = SseClient(gateway.listen, self.keys.token("u", session))
        self.addCleanup(c.close)
        c.until(until)
        return LastByte(c)

    def test_while_connected_it_is_milliseconds_9_5(self):
        b = self.backend()
        g = self.enterContext(harness.gateway(b.listen, self.keys, self.folder / "gw"))
        harness.wait_for("ready", g.ready_now)
        over = threading.Event()

        def load():
            body = "\n".join('{"user_id":"u","kind":"k","payload":{"x":"%s"}}' % ("y" * 200) for _ in range(20))
            while not over.is_set():
                harness.post(b.listen, "/v1/events", body, "application/x-ndjson")
                time.sleep(0.01)
        publisher = threading.Thread(target=load)
        publisher.start()
        self.addCleanup(lambda: (over.set(), publisher.join()))
        sent, acknowledged = [], []
        for n in range(SESSIONS):
            reader = self.connect(g, "s-%d" % n, until="event")  # more are on their way
            before = time.monotonic()
            harness.invalidate(b.listen, user_id="u", device_session_id="s-%d" % n, reason="stolen")
            after = time.monotonic()
            reader.join(10)
            self.assertFalse(reader.is_alive())
            self.assertIn(b'"code":4503', reader.text)
            sent.append(reader.at - before)
            acknowledged.append(max(0, reader.at - after))
        for name, values in (("from the request", sent), ("from the acknowledgement", acknowledged)):
            cuts = statistics.quantiles(values, n=100)
            print("revocation to last byte, %s: p50 %.1f ms, p99 %.1f ms, max %.1f ms, n=%d" % (
                name, cuts[49] * 1000, cuts[98] * 1000, max(values) * 1000, len(values)))
        self.assertLess(statistics.median(acknowledged), 0.5)
        self.assertLess(max(acknowledged), 3)

    def test_while_not_connected_it_is_stale_plus_spread_9_5(self):
        canary, stale_after, spread, close = 0.5, 1.0, 2.0, 1.0
        b = self.backend("--canary", "500ms")
        proxy = Proxy(b.listen)
        self.addCleanup(proxy.stop)
        g = self.enterContext(harness.gateway(proxy.address, self.keys, self.folder / "gw", "--stale-after", "1s", "--stale-spread", "2s",
                                         "--backoff", "50ms", "--backoff-max", "200ms", "--heartbeat", "100ms"))
        harness.wait_for("ready", g.ready_now)
        readers = [self.connect(g, "s-%d" % n) for n in range(40)]
        time.sleep(0.3)
        proxy.frozen.set()
        partitioned = time.monotonic()
        for n in range(40):  # the backend takes them, and cannot tell the gateway
            harness.invalidate(b.listen, user_id="u", device_session_id="s-%d" % n, reason="stolen")
        bound = 3 * canary + stale_after + spread + close
        for reader in readers:
            reader.join(bound + 10)
            self.assertIn(b'"code":4453', reader.text)
        last = max(r.at for r in readers) - partitioned
        print("revocation to last byte while partitioned: %.2f s; the bound is %.2f s" % (last, bound))
        self.assertLess(last, bound + 0.5)
        self.assertGreater(last, bound - close - 1.5, "the spread was used")
        # And with the first word of the backend each is refused for what it is.
        proxy.frozen.clear()
        harness.wait_for("ready again", g.ready_now)
        self.assertEqual(SseClient(g.listen, self.keys.token("u", "s-0")).status, 401)


if __name__ == "__main__":
    unittest.main()
