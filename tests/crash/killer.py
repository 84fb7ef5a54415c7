"""What is done to the processes, from one seed: when, to whom, in what state they are caught.

Aims of a backend's SIGKILL: `random` moment · `acknowledged` (the instant an acknowledgement has come) ·
`recovery` (while it starts) · `checkpoint` (the database file itself is being written) · `paused` (while stopped,
with publishes waiting) · `with_gateway` (both at once) · `dark` (a gateway is then restarted while the backend is
dead) · `long` (away for longer than the window).
Of a gateway's: `random` · `starting` · `invalidation` (right after one was acknowledged) · `paused` ·
`with_backend` · `dark`.
"""
import collections, random, time

import population as people

BACKEND_AIMS = {"random": 26, "acknowledged": 40, "recovery": 16, "checkpoint": 16, "paused": 8, "with_gateway": 12, "dark": 8}
GATEWAY_AIMS = {"random": 40, "starting": 20, "invalidation": 30, "paused": 10}


class Killer:
    """Runs on the campaign's main thread, the only one that starts and ends processes."""

    def __init__(self, campaign, backend_kills, gateway_kills, long_downs):
        self.campaign, self.random = campaign, random.Random("%s/killer" % campaign.seed)
        self.record = campaign.history.sink("main")
        self.left = {"backend": backend_kills, "gateway": gateway_kills}
        self.long_downs = long_downs
        self.done = collections.Counter()
        self.readings = 0

    def run(self):
        # A long absence whenever so many backend kills are left.
        long_at = [round(self.left["backend"] * (n + 1) / (self.long_downs + 1)) for n in range(self.long_downs)]
        while self.left["backend"] > 0 or self.left["gateway"] > 0:
            self.campaign.check()
            self._live(self.random.expovariate(1 / self.campaign.run_s))
            if self.random.random() < 0.2:
                self._pause_somebody()
            elif self.random.uniform(0, max(0, self.left["backend"]) + max(0, self.left["gateway"])) < self.left["backend"]:
                due = long_at and self.left["backend"] <= long_at[-1] and long_at.pop()
                getattr(self, "_backend_" + ("long" if due else self._pick(BACKEND_AIMS)))()
            else:
                getattr(self, "_gateway_" + self._pick(GATEWAY_AIMS))()

    def _pick(self, weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _live(self, seconds):
        """Lets everything run, but notices at once when a process ends by itself."""
        end = time.monotonic() + min(seconds, 4 * self.campaign.run_s)
        while time.monotonic() < end:
            self.campaign.check()
            time.sleep(min(0.05, max(0, end - time.monotonic())))

    # A death: the kill itself, and what the dead process left on its disk.
    def kill_backend(self, aim):
        self.campaign.backend.kill()
        self._count("backend", aim, self.campaign.backend)
        self.campaign.read_log()

    def kill_gateway(self, gateway, aim):
        gateway.kill()
        self._count("gateway", aim, gateway)
        self.campaign.read_gateway(gateway)

    def _count(self, role, aim, node):
        self.left[role] -= 1
        self.done[role] += 1
        self.record("kill", role=role, node=node.name, aim=aim, number=self.done[role])

    def _down(self, longest=0.4):
        time.sleep(self.random.uniform(0, longest) * self.random.random())

    # Backend
    def _backend_random(self):
        self.kill_backend("random")
        self._down()
        self.campaign.backend.start()

    def _backend_recovery(self):
        self.kill_backend("random")
        for _ in range(self.random.choice([1, 1, 2, 4])):
            self.campaign.backend.spawn()
            time.sleep(self.random.uniform(0, self.campaign.start_s["backend"] * 1.5))
            self.kill_backend("recovery")
        self.campaign.backend.start()

    def _backend_checkpoint(self):
        """Only a checkpoint writes the database file itself; a start begins with one."""
        if self.random.random() < 0.5:
            self.kill_backend("random")
            before = self._written_at()
            self.campaign.backend.spawn()
            self._kill_when_written(before, 1)
        else:
            self._kill_when_written(self._written_at(), 6)
        self._down()
        self.campaign.backend.start()

    def _written_at(self):
        return self.campaign.log_path().stat().st_mtime_ns

    def _kill_when_written(self, before, seconds):
        end = time.monotonic() + seconds
        while self._written_at() == before and time.monotonic() < end:
            time.sleep(0.0001)
        self.kill_backend("checkpoint" if self._written_at() != before else "random")

    def _backend_acknowledged(self):
        backend, end = self.campaign.backend, time.monotonic() + 3
        backend.arm()
        while not backend.sprung and time.monotonic() < end:
            time.sleep(0.001)
        self.kill_backend("acknowledged" if backend.sprung else "random")
        backend.start()

    def _backend_paused(self):
        self.campaign.backend.pause()
        time.sleep(self.random.uniform(0.05, 0.8))
        self.kill_backend("paused")
        self.campaign.backend.start()

    def _backend_with_gateway(self):
        gateways = self.random.sample(self.campaign.gateways, self.random.choice([1, 1, len(self.campaign.gateways)]))
        self.random.shuffle(gateways)
        self.kill_backend("with_gateway")
        for gateway in gateways:
            self.kill_gateway(gateway, "with_backend")
        self._down()
        starts = [self.campaign.backend, *gateways]
        self.random.shuffle(starts)
        for node in starts:
            node.spawn()
            self._down(0.2)
        for node in starts:
            node.wait()

    def _backend_dark(self):
        """A gateway that starts while the backend is dead knows whom it may not let in, and lets nobody in."""
        gateway = self.random.choice(self.campaign.gateways)
        self.kill_backend("dark")
        self.kill_gateway(gateway, "dark")
        gateway.start(until="bound")
        begun = time.monotonic()
        for credential in [people.stranger(), *self.campaign.population.some_revoked(self.random, 8)]:
            self.campaign.prober.probe(gateway, credential)
        time.sleep(self.random.uniform(0, 0.3))
        self.record("dark", gateway=gateway.name, begun=begun)
        self.campaign.backend.start()
        gateway.wait()

    def _backend_long(self):
        self.kill_backend("long")
        time.sleep(self.campaign.window_s + 1)
        self.campaign.backend.start(until="bound")
        time.sleep(self.random.uniform(0, 0.05))
        # Nothing is left of the window; the sequence must go on all the same, also after a second death.
        self.kill_backend("recovery")
        self.campaign.backend.start()

    # Gateways
    def _gateway_random(self):
        gateway = self.random.choice(self.campaign.gateways)
        self.kill_gateway(gateway, "random")
        self._down()
        gateway.start()

    def _gateway_starting(self):
        gateway = self.random.choice(self.campaign.gateways)
        self.kill_gateway(gateway, "random")
        for _ in range(self.random.choice([1, 2])):
            gateway.spawn()
            time.sleep(self.random.uniform(0, self.campaign.start_s["gateway"] * 1.5))
            self.kill_gateway(gateway, "starting")
        gateway.start()

    def _gateway_invalidation(self):
        gateway = self.random.choice(self.campaign.gateways)
        before, end = self.campaign.invalidator.acknowledged, time.monotonic() + 3
        while self.campaign.invalidator.acknowledged == before and time.monotonic() < end:
            time.sleep(0.0005)
        # It is applied at once, and on disk within the tenth of a second.
        time.sleep(self.random.choice([0, 0.005, 0.02, 0.1, 0.2]) * self.random.random())
        self.kill_gateway(gateway, "invalidation")
        self._down()
        gateway.start()

    def _gateway_paused(self):
        gateway = self.random.choice(self.campaign.gateways)
        gateway.pause()
        time.sleep(self.random.uniform(0.05, 1))
        self.kill_gateway(gateway, "paused")
        gateway.start()

    def _pause_somebody(self):
        """SIGSTOP and SIGCONT, nobody dies."""
        node = self.random.choice([self.campaign.backend, *self.campaign.gateways])
        node.pause()
        time.sleep(self.random.choice([0.05, 0.3, 1.5]) * self.random.random())
        node.resume()
        self.record("pause", node=node.name)
