"""All backends are restarted one after the other under load, then all servers: what do clients notice? (semantics.md 6.5, 6.6 and 7.1)

The answer is counted: connections that end, gaps, events that come twice, late or not at all, sessions told anything:
none. What is left is latency, and it is printed: from the publisher's first attempt to the client.
"""
import collections, os, pathlib, random, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import network
import plane
import harness
import wire

SEED = int(os.environ.get("CLUSTER_SEED", random.SystemRandom().randrange(1 << 32)))


class RollingRestart(unittest.TestCase):
    def start(self):
        folder = self.enterContext(harness.folder())
        # Nobody is revoked who is counted, nobody moves by himself.
        self.plane = self.enterContext(plane.Plane(folder, seed=SEED, restless=False, revoke_s=1e9, users=8))
        self.plane.start_load()
        self.plane.live(2)

    def roll(self, nodes, name):
        for node in nodes:
            self.plane.fault(name)
            self.assertEqual(node.stop(), 0 if node in self.plane.backends else 1)
            self.plane.live(0.5)
            node.start()
            if node in self.plane.backends:
                self.plane.wait_ready()
            else:
                self.plane.cluster.wait_healthy()
                self.plane.wait("it has caught up", lambda: self.current(node))
            self.plane.wait_flowing()
            self.plane.live(1)

    def current(self, server):
        """Whether each of its streams is where the stream's leader is, give or take what is on its way."""
        mine, stream = server.streams(), self.plane.stream()
        leader = self.plane.cluster.leader(stream)
        return stream in mine and mine[stream][2] >= leader.streams()[stream][2] - 20

    def assert_invisible(self):
        sessions = len(self.plane.population.live)
        verdict = self.plane.finish()
        clients = [r for r in verdict.clients if r["c"] in {c["c"] for c in verdict.clients if c["what"] == "connect" and not c["probe"]}]
        counts = collections.Counter(r["what"] for r in clients)
        late = latencies(verdict, clients)
        print("\n%s (seed %d): %d sessions, %d connections, %d welcomes, %d byes, %d gaps; %d acknowledged, %d delivered; "
              "from first attempt to client p50 %.0f ms, p99 %.0f ms, longest %.0f ms; longest without acknowledgement %s s" % (
                  self.id().split(".")[-1], SEED, sessions, counts["connect"], counts["welcome"], counts["bye"], counts["gap"],
                  verdict.counts["acknowledged"], len(late), *(1000 * late[int(q * (len(late) - 1))] for q in (0.5, 0.99, 1)),
                  self.plane.silent_s), flush=True)
        # Each event exactly once, in order, with no hole, at each session: the judge's.
        self.assertFalse(verdict.faults, verdict.text())
        self.assertEqual((counts["connect"], counts["welcome"], counts["bye"], counts["gap"]), (sessions, sessions, 0, 0), verdict.text())
        self.assertEqual({r["why"] for r in clients if r["what"] == "end"}, {"left"})
        self.assertEqual(verdict.counts["listener_gaps"], 0)
        self.assertGreater(verdict.counts["acknowledged"], 500)
        self.assertEqual(len(late), expected(verdict, clients))
        return late

    def test_of_all_backends_costs_clients_nothing_but_latency(self):
        self.start()
        self.roll(self.plane.backends, "backend restarted")
        late = self.assert_invisible()
        self.assertLess(late[-1], 5)  # no election is involved

    def test_of_all_servers_costs_clients_nothing_but_latency(self):
        self.start()
        self.roll(self.plane.cluster.servers, "server restarted")
        late = self.assert_invisible()
        self.assertLess(late[-1], 30)


def latencies(verdict, clients):
    """Seconds from the first attempt to publish an event to each client that got it, sorted."""
    sent = {}
    for r in verdict.publishers:
        if r["what"] == "sent":
            sent.setdefault(r["digest"], r["t"])
    return sorted(r["t"] - sent[r["digest"]] for r in clients if r["what"] == "event" and r["digest"] in sent)


def expected(verdict, clients):
    """How many deliveries there must be: of each connection all events of its user and session after its welcome."""
    who = {r["c"]: (r["user"], r["session"]) for r in clients if r["what"] == "connect"}
    total = 0
    for r in clients:
        if r["what"] == "welcome":
            user, session = who[r["c"]]
            total += sum(e["cursor"] > r["head"] and e["session"] in ("", session) and e["user"] != wire.CANARY_USER for e in verdict.by_user[user])
    return total


if __name__ == "__main__":
    network.enter()
    unittest.main()
