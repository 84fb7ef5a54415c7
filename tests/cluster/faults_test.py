"""Three servers, three backends, two gateways, under load, and what becomes of the promises when parts of it fail:
semantics.md 1.3, 1.5, 1.6, 2.1, 2.2, 3.2, 4.2, 4.3, 5.4, 6.6, 7.1, 8.2, 8.7 and 9.1 over a replicated log.

After each fault everything is judged: no acknowledged entry lost, moved or doubled, the same order at every backend,
no hole or repetition at any client, no revoked session admitted again, the servers' copies equal. How long nobody got an
acknowledgement is printed.

    faults_test.py [Faults.test_…]       CLUSTER_SEED=N repeats a schedule
"""
import http.client, os, pathlib, random, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import network
import plane
import harness
import producers
from slow_disk import SlowDisk

SEED = int(os.environ.get("CLUSTER_SEED", random.SystemRandom().randrange(1 << 32)))


class Faults(unittest.TestCase):
    def start(self, **options):
        folder = self.enterContext(harness.folder())
        self.plane = self.enterContext(plane.Plane(folder, seed=SEED, **options))
        self.plane.start_load()
        self.stream = self.plane.stream()
        self.cluster = self.plane.cluster
        self.plane.live(1.5)

    def assert_promises_kept(self):
        verdict = self.plane.finish()
        silent = ", ".join("%s %s s" % (name, "/".join(map(str, s))) for name, s in self.plane.silent_s.items())
        print("\n%s (seed %d): without acknowledgements: %s; %d acknowledged, %d delivered, %d resumed, %d gaps" % (
            self.id().split(".")[-1], SEED, silent or "-", verdict.counts["acknowledged"], verdict.counts["delivered"],
            verdict.counts["welcome_resumed"], verdict.counts["welcome_gap"]), flush=True)
        self.assertFalse(verdict.faults, verdict.text())
        for name, least in {"acknowledged": 200, "delivered": 200, "welcome_fresh": 8, "bye_4503": 3, "listened": 50, "recorder_streams": 4}.items():
            self.assertGreaterEqual(verdict.counts[name], least, verdict.text())
        self.assertEqual(verdict.counts["welcome_gap"], 0, verdict.text())
        return verdict

    def restart(self, server):
        server.start()
        self.cluster.wait_healthy()
        self.plane.wait("%s has caught up" % server.name, lambda: server.streams().get(self.stream))

    def test_the_stream_s_leader_is_killed(self):
        self.start()
        for _ in range(2):
            leader = self.cluster.leader(self.stream)
            self.plane.fault("leader killed")
            leader.kill()
            self.plane.wait_flowing()
            self.assertNotEqual(self.cluster.leader(self.stream), leader)
            self.restart(leader)
            self.plane.live(1)
        self.assert_promises_kept()

    def test_a_backend_is_killed_and_its_gateways_go_to_another(self):
        self.start()
        for _ in range(3):
            gateway = self.plane.random.choice(self.plane.gateways)
            victim = self.plane.wait("it has a backend", lambda: self.plane.serving(gateway))[0]
            self.plane.fault("backend killed")
            victim.kill()
            begun = time.monotonic()
            self.plane.wait("%s is at another backend" % gateway.name, lambda: self.plane.serving(gateway), 20)
            print("%s moved in %.2f s" % (gateway.name, time.monotonic() - begun), flush=True)
            self.plane.wait_flowing()
            victim.start()
            self.plane.live(1)
        self.assert_promises_kept()

    def test_a_backend_cut_off_from_the_cluster_refuses_and_its_gateways_leave_it(self):
        self.start(machines=True)
        gateway = self.plane.gateways[0]
        victim = self.plane.wait("it has a backend", lambda: self.plane.serving(gateway))[0]
        machine = self.plane.machines[victim.name]
        self.plane.fault("backend cut off")
        begun = time.monotonic()
        machine.cut("cluster")
        try:
            # Three canary intervals of 0.5 s, and the way to another one.
            self.plane.wait("the gateways have left it", lambda: not any(victim in self.plane.serving(g) for g in self.plane.gateways), 20)
            print("\nleft after %.2f s" % (time.monotonic() - begun), flush=True)
            refused = self.plane.wait("the backend that is cut off refuses", lambda: self.refusal(victim), 20)
            print("refused with %s after %.2f s" % (refused, time.monotonic() - begun), flush=True)
            self.assertIn("unavailable", refused)
            self.plane.wait("it says that it is not ready", lambda: not victim.ready(), 20)
            self.plane.wait("%s is at another backend" % gateway.name, lambda: self.plane.serving(gateway), 20)
            for g in self.plane.gateways:
                self.assertTrue(g.ready())
            self.plane.wait_flowing()
            self.assertIn("unavailable", self.refusal(victim))
            self.plane.live(3)
        finally:
            machine.heal("cluster")
        begun = time.monotonic()
        self.plane.wait("it is ready again", victim.ready, 60)
        print("ready %.2f s after the cut was healed" % (time.monotonic() - begun), flush=True)
        self.plane.live(1)
        self.assert_promises_kept()

    def refusal(self, backend):
        """The answer to a publish at `backend` when it is a refusal. What it takes or leaves open is judged like the rest."""
        user, id = "u-refused", "refused-%d" % time.monotonic_ns()
        record = self.plane.history.sink("publisher-refused")
        payload = b"{}"
        record("sent", user=user, session="", id=id, digest=plane.wire.event_digest(user, "", "game.turn.ready", payload, id))
        begun = time.monotonic()
        try:
            cursor = producers.post(backend.listen, "/v1/events", {"user_id": user, "event_id": id, "kind": "game.turn.ready", "payload": {}}, 15)
            record("ack", user=user, session="", id=id, cursor=cursor, duplicate=False, begun=begun, attempts=1)
        except AssertionError as refused:
            return str(refused) if "HTTP 503" in str(refused) else None
        except (OSError, http.client.HTTPException):
            pass
        return None

    def test_everything_is_killed_at_once_and_started_again(self):
        self.start()
        self.plane.fault("everything killed")
        for node in [*self.cluster.servers, *self.plane.backends, *self.plane.gateways]:
            node.kill()
        for node in [*self.plane.gateways, *self.plane.backends]:
            node.spawn()
        self.cluster.start()
        self.plane.wait_ready(90)
        self.plane.wait_flowing()
        self.plane.live(2)
        self.assert_promises_kept()

    def test_the_disk_of_one_server_is_slow(self):
        self.start()
        for name, server in (("slow disk at a follower", self.cluster.followers(self.stream)[0]), ("slow disk at the leader", self.cluster.leader(self.stream))):
            self.plane.fault(name)
            with SlowDisk(server.process, ms=25):
                self.plane.live(5)
                self.plane.wait_flowing()
        self.plane.fault("slow disk healed")
        self.plane.live(1)
        self.assert_promises_kept()


if __name__ == "__main__":
    network.enter()
    unittest.main()
