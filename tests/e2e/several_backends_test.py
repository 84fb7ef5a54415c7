"""A gateway that reaches its backend at several addresses, some of which die: semantics.md 6.6, 7.1.

The backend is one real process with its SQLite log; each address is a TCP relay to it. The clients are raw: what came
twice would be counted twice.
"""
import json, pathlib, statistics, subprocess, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from relay import Relay
from websocket import Closed, WebSocketClient

USERS = 20
BATCH = 40


class Client(threading.Thread):
    """Keeps (cursor, when) of every event, and every frame that is neither event nor position."""

    def __init__(self, address, token):
        super().__init__(daemon=True)
        self.socket = WebSocketClient(address, token, timeout=0.2)
        self.events, self.others, self.stopped = [], [], False
        self.start()

    def run(self):
        while not self.stopped:
            try:
                frame = self.socket.frame()
            except TimeoutError:
                continue
            except Closed as closed:
                return self.others.append({"closed": str(closed)})
            if "event" in frame or "events" in frame:
                events = frame.get("events") or [frame["event"]]
                self.events += [(event["cursor"], time.monotonic()) for event in events]
            elif "position" not in frame:
                self.others.append(frame)

    def stop(self):
        self.stopped = True
        self.join()
        self.socket.close()


class Publisher(threading.Thread):
    """Publishes to all users in turn, a batch every 40 ms, and keeps each user's cursors."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.cursors, self.stopped, self.failure = address, {user: [] for user in range(USERS)}, False, None
        self.start()

    def run(self):
        next_user = 0
        while not self.stopped:
            users = [(next_user + i) % USERS for i in range(BATCH)]
            next_user = (next_user + BATCH) % USERS
            events = [{"user_id": "user-%d" % user, "kind": "k", "payload": {"n": i}} for i, user in enumerate(users)]
            answer = harness.post(self.address, "/v1/events", events)
            if answer.status != 200:
                self.failure = answer.text
                return
            results = answer.json["results"] if "results" in answer.json else answer.json
            for user, result in zip(users, results):
                self.cursors[user].append(result["cursor"])
            time.sleep(0.04)

    def stop(self):
        self.stopped = True
        self.join()


def backends(gateway):
    return harness.get(gateway.admin, "/v1/backends").json["backends"]


def in_use(gateway):
    """The address that carries the subscription; None while none does."""
    if gateway.metric("galaxy_push_feed_connected") != 1:
        return None
    return next((row["address"] for row in backends(gateway) if row["in_use"]), None)


class SeveralBackends(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)

    def start(self, relays, *arguments):
        self.relays = {relay.address: relay for relay in relays}
        addresses = list(self.relays)
        # A list with a comma, and the flag once more.
        more = ["--backend", addresses[2]] if len(addresses) > 2 else []
        gateway = self.enterContext(harness.gateway(",".join(addresses[:2]), self.keys, self.folder / "gw-1", *more, *arguments))
        harness.wait_for("the gateway is ready", gateway.ready_now)
        return gateway

    def longest_pause(self, clients, since, until):
        """Between two deliveries to anybody."""
        times = sorted(at for client in clients for _, at in client.events if since <= at <= until)
        return max(b - a for a, b in zip(times, times[1:]))

    def test_6_6_killing_the_address_in_use_under_load_costs_clients_nothing_but_a_moment(self):
        backend = self.enterContext(harness.backend(data=self.folder / "log"))
        relays = [self.enterContext(Relay(backend.listen)) for _ in range(3)]
        gateway = self.start(relays, "--backend-check", "300ms")
        clients = [Client(gateway.listen, self.keys.token("user-%d" % user, "s")) for user in range(USERS)]
        harness.wait_for("all are welcome", lambda: all(client.others for client in clients))
        publisher = Publisher(backend.listen)
        pauses = []
        for _ in range(5):
            time.sleep(0.3)
            used = harness.wait_for("a subscription", lambda: in_use(gateway))
            killed = time.monotonic()
            self.relays[used].kill()
            harness.wait_for("another address", lambda: in_use(gateway) not in (None, used))
            time.sleep(0.3)
            pauses.append(self.longest_pause(clients, killed - 0.1, time.monotonic()))
            self.relays[used].revive()
            harness.wait_for("its health", lambda: all(row["health"] == "serving" for row in backends(gateway)))
        publisher.stop()
        self.assertIsNone(publisher.failure)
        wanted = sum(len(cursors) for cursors in publisher.cursors.values())
        harness.wait_for("everything", lambda: sum(len(client.events) for client in clients) >= wanted)
        time.sleep(0.3)  # for what would come twice
        for user, client in enumerate(clients):
            client.stop()
            self.assertEqual([cursor for cursor, _ in client.events], publisher.cursors[user], "user %d" % user)
            self.assertEqual([list(frame) for frame in client.others], [["welcome"]])
        self.assertEqual(gateway.metric("galaxy_push_feed_moves_total"), 5)
        self.assertEqual(gateway.metric("galaxy_push_feed_gaps_total"), 0)
        self.assertEqual(gateway.metric("galaxy_push_feed_faults_total"), 0)
        self.assertLess(max(pauses), 2)
        print("%d events to %d clients, 5 kills: longest pause between deliveries %.0f ms, median %.0f ms" %
              (wanted, USERS, 1000 * max(pauses), 1000 * statistics.median(pauses)), file=sys.stderr)

    def test_6_6_an_address_that_holds_its_breath_is_left_and_nothing_comes_twice(self):
        backend = self.enterContext(harness.backend("--canary", "1s", data=self.folder / "log"))
        relays = [self.enterContext(Relay(backend.listen)) for _ in range(2)]
        gateway = self.start(relays, "--backend-check", "1s")
        client = Client(gateway.listen, self.keys.token("ann", "s"))
        harness.wait_for("a welcome", lambda: client.others)
        cursors = [harness.publish(backend.listen, user_id="ann")]
        harness.wait_for("the event", lambda: client.events)
        used = in_use(gateway)
        self.relays[used].hold()
        cursors.append(harness.publish(backend.listen, user_id="ann"))
        harness.wait_for("the missed event", lambda: len(client.events) == 2)
        self.assertNotEqual(in_use(gateway), used)
        self.relays[used].resume()  # what it still holds comes to nobody
        cursors.append(harness.publish(backend.listen, user_id="ann"))
        harness.wait_for("the third", lambda: len(client.events) >= 3)
        client.stop()
        self.assertEqual([cursor for cursor, _ in client.events], cursors)
        self.assertEqual([list(frame) for frame in client.others], [["welcome"]])

    def test_6_6_a_backend_that_drains_is_left_for_the_other_address_by_name(self):
        """localhost is both loopbacks."""
        backend = self.enterContext(harness.backend(data=self.folder / "log"))
        four, six = self.same_port(backend.listen, "127.0.0.1", "::1")
        gateway = self.enterContext(harness.gateway("localhost:%d" % four.port, self.keys, self.folder / "gw-1", "--backend-check", "300ms"))
        harness.wait_for("the gateway is ready", gateway.ready_now)
        self.assertEqual({row["address"] for row in backends(gateway)}, {"127.0.0.1:%d" % four.port, "[::1]:%d" % four.port})
        used = in_use(gateway)
        (six if used.startswith("[") else four).kill()
        harness.wait_for("the other address", lambda: in_use(gateway) not in (None, used))
        self.assertTrue(gateway.ready_now())

    def same_port(self, target, *hosts):
        for _ in range(50):
            relays = [Relay(target, hosts[0])]
            try:
                for host in hosts[1:]:
                    relays.append(Relay(target, host, relays[0].port))
                return [self.enterContext(relay) for relay in relays]
            except OSError:  # taken there
                for relay in relays:
                    relay.close()
        self.fail("no port is free on %s" % (hosts,))

    def test_6_6_the_addresses_of_a_name_each_prove_the_name(self):
        """By the resolver of the system, with a hosts file of the gateway's own; one address is somebody else's."""
        ours, other = self.folder / "ca", self.folder / "other"
        for folder, name in (ours, "backends.test"), (other, "other.test"):
            subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(folder), "--gateways", "gw-1", "--hosts", name], check=True)

        def serve(folder):
            return self.enterContext(harness.backend("--tls-cert", folder / "server.crt", "--tls-key", folder / "server.key",
                                                     "--tls-ca", ours / "ca.crt", "--roles", ours / "roles.json"))
        backend, stranger = serve(ours), serve(other)
        one, two = self.same_port(backend.listen, "127.0.0.1", "127.0.0.2")
        three = self.enterContext(Relay(stranger.listen, "127.0.0.3", one.port))
        hosts = self.folder / "hosts"
        hosts.write_text("".join("%s backends.test\n" % relay.host for relay in (one, two, three)))
        both = self.folder / "both.crt"  # it is not for want of trust that the stranger is refused
        both.write_text((ours / "ca.crt").read_text() + (other / "ca.crt").read_text())
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        gateway = self.enterContext(harness.gateway(
            "backends.test:%d" % one.port, self.keys, self.folder / "gw-1", "--backend-ca", both, "--backend-cert", ours / "gw-1.crt",
            "--backend-key", ours / "gw-1.key", "--backend-check", "300ms", under=["unshare", "-rm", "sh", "-c", script, hosts]))
        harness.wait_for("the gateway is ready", gateway.ready_now)
        rows = harness.wait_for("all checked", lambda: (rows := backends(gateway)) and not any(row["health"] == "unknown" for row in rows) and rows)
        self.assertEqual({row["address"]: row["health"] for row in rows},
                         {one.address: "serving", two.address: "serving", three.address: "unreachable"})
        self.assertEqual({row["host"] for row in rows}, {"backends.test"})
        refused = next(row["message"] for row in rows if row["address"] == three.address)
        self.assertIn("hostname mismatch", refused)
        used = in_use(gateway)
        {relay.address: relay for relay in (one, two)}[used].kill()
        moved = harness.wait_for("another address", lambda: (address := in_use(gateway)) != used and address)
        self.assertIn(moved, {one.address, two.address})


if __name__ == "__main__":
    unittest.main()
