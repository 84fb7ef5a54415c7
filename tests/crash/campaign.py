#!/usr/bin/python3
"""Publishes, delivers and revokes while the processes are killed, and judges what was promised (docs/reliability.md).

    campaign.py [--seed N] [--backend-kills N] [--gateway-kills N] [--keep]

Real processes on loopback: one backend, three gateways, each always on the same data directory and address. A
run that fails keeps its folder and prints it with its seed; `judge.py FOLDER` judges it again. The seed fixes
the schedule of what is done; when the operating system runs whom is not in its hand.
"""
import argparse, os, pathlib, random, shutil, sys, tempfile, threading, time, traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import gateway_file, log_file
import population as people
import wire
from clients import Listener, Prober, SessionClient
from history import History
from judge import Judge
from killer import Killer
from nodes import SHIM, Died, Node
from population import Population
from publishers import GrpcPublisher, HttpPublisher, Invalidator
from recorder import Recorder

LISTENERS = [("u-listen-0", "s-listen-0"), ("u-listen-1", "s-listen-1")]


class Campaign:
    """Everything that takes part. Construction starts nothing; run() does, and ends it again."""

    def __init__(self, options, folder):
        self.options, self.folder, self.seed = options, folder, options.seed
        self.history = History(folder / "history")
        self.main = self.history.sink("main")
        self.run_s, self.window_s = options.run_s, options.window_s
        self.main("setting", wall_offset_s=time.time() - time.monotonic(), **vars(options))
        self.retry_s = options.window_s / 3  # no retry later than this after the first attempt
        self.settling = False
        self.failures = []  # of threads
        if not SHIM.exists():
            sys.exit("%s is missing: build the target crash_fail_io" % SHIM)
        self.disk = random.Random("%s/disk" % self.seed)
        self.keys = harness.Keys(folder)
        self.population = Population(self.seed, users=5, sessions_per_user=2, undisturbed=LISTENERS)
        self.backend = Node("backend", folder / "backend", [
            "backend", "--engine", options.engine, "--window", "%ds" % self.window_s, "--canary", "1s", "--log-level", "info",
            *(["--data", folder / "backend" / "data"] if options.engine == "sqlite" else [])], disk_us=self._disk_us)
        self.gateways = []
        self.log_reader = log_file.Reader(self.backend.data, folder / "copies", self.window_s, self.history.sink("log"), self.main)
        self.start_s = {"backend": 0.05, "gateway": 0.05}  # measured by the first start
        self.threads, self.listeners = [], []

    def _disk_us(self):
        """Some lives have the machine's own disk, some one whose every write takes up to 2 ms."""
        return self.disk.choice([0, 200, 700, 2000])

    # What the parts ask for.
    @property
    def backend_address(self):
        return self.backend.listen

    def log_path(self):
        return log_file.path(self.backend.data)

    def check(self):
        """Raises when a process ended by itself or a thread of the test failed."""
        for node in [self.backend, *self.gateways]:
            node.check()
        if self.failures:
            raise Died("a thread of the campaign failed\n" + self.failures[0])

    def read_log(self):
        if self.options.engine == "sqlite":
            self.log_reader.read()

    def read_gateway(self, gateway):
        state = gateway_file.read(gateway.data, self.folder / "copies")
        self.history.sink("gateway-file")("state", gateway=gateway.name, **state)

    def sign_in(self, user):
        self.launch(SessionClient(self, user, self.population.sign_in(user)))

    def launch(self, thread):
        run = thread.run

        def guarded():
            try:
                run()
            except BaseException:
                self.failures.append(traceback.format_exc())
        thread.run = guarded
        self.threads.append(thread)
        thread.start()
        return thread

    # The course of a campaign.
    def run(self):
        try:
            self._start()
            self.killer = Killer(self, self.options.backend_kills, self.options.gateway_kills, self.options.long_downs)
            self.killer.run()
            self._settle()
            self._sweep()
        except Died as died:
            self.main("fault", rule="process", text=str(died))
        finally:
            self._end()
        return Judge(self.folder / "history").judge()

    def _start(self):
        self._timed_start(self.backend, "backend")
        harness.subprocess.run([harness.BINARY, "keys", "envelope", "--out", str(self.folder / "envelope.json")], check=True, capture_output=True)
        for n in range(3):
            folder = self.folder / ("gw-%d" % n)
            gateway = Node("gw-%d" % n, folder, [
                "gateway", "--id", "gw-%d" % n, "--backend", self.backend_address, "--data", folder / "data", "--jwks", self.keys.jwks,
                "--issuer", self.keys.ISSUER, "--audience", self.keys.AUDIENCE, "--envelope-keys", self.folder / "envelope.json",
                "--window", "%ds" % self.window_s, "--backoff", "30ms", "--backoff-max", "300ms", "--heartbeat", "1s"], disk_us=self._disk_us)
            self.gateways.append(gateway)
            self._timed_start(gateway, "gateway")
        self.jwks = harness.get(self.gateways[0].listen, "/.well-known/jwks.json").json
        self.recorder = self.launch(Recorder(self))
        self.listeners = [Listener(self, gateway, user, session) for gateway, (user, session) in zip(self.gateways, LISTENERS)]
        for listener in self.listeners:
            harness.wait_for("listen is connected", listener.connected)
        for session, user in sorted(self.population.live.items()):
            self.launch(SessionClient(self, user, session))
        pause = 0.02
        self.publishers = [HttpPublisher("http-0", self, pause), HttpPublisher("http-1", self, pause), GrpcPublisher("grpc-0", self, pause)]
        self.invalidator, self.prober = Invalidator(self, self.options.revoke_s), Prober(self, 0.1)
        for thread in [*self.publishers, self.invalidator, self.prober]:
            self.launch(thread)

    def _timed_start(self, node, role):
        begun = time.monotonic()
        node.start()
        self.start_s[role] = time.monotonic() - begun

    def _settle(self):
        """Nobody is killed any more: what is on its way must arrive."""
        self.settling = True
        for node in [self.backend, *self.gateways]:
            node.wait()
        for thread in [self.invalidator, *self.publishers]:
            thread.stopping.set()
        for thread in [self.invalidator, *self.publishers]:
            self._join(thread, 60)
        users = self.population.users + [user for user, _ in LISTENERS]
        self.markers = {user: self._publish_marker(user) for user in users}
        newest = max(self.markers.values())
        self._wait("the recorder has everything", lambda: self.recorder.cursor >= newest)
        self._wait("each live session has the last event", lambda: not self._behind())
        self._wait("each listen has the last event", lambda: all(x.has("marker") for x in self.listeners))

    def _publish_marker(self, user):
        """The last event of a user; returns its cursor."""
        payload, begun, record = b'{"last": true}', round(time.monotonic(), 6), self.history.sink("publisher-marker")
        key = {"user": user, "session": "", "id": "marker"}
        record("sent", digest=wire.event_digest(kind="game.turn.ready", payload=payload, **key), **key)
        cursor = harness.publish(self.backend_address, user_id=user, event_id="marker", payload={"last": True})
        record("ack", cursor=cursor, duplicate=False, begun=begun, attempts=1, **key)
        return cursor

    def _behind(self):
        live = [t for t in self.threads if isinstance(t, SessionClient) and t.is_alive()]
        return ["%s/%s at %s" % (t.user, t.session, t.cursor) for t in live if (t.cursor or "") < self.markers[t.user]]

    def _wait(self, what, condition, seconds=45):
        end = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise Died("not within %d s: %s; behind: %s" % (seconds, what, self._behind()))
            time.sleep(0.02)

    def _join(self, thread, seconds):
        thread.join(seconds)
        if thread.is_alive():
            raise Died("%s did not end within %d s" % (thread.name, seconds))

    def _sweep(self):
        """Every credential ever revoked, at every gateway: while all is well, and restarted with the backend dead."""
        self._expect_refused("with the backend alive")
        self.main("kill", role="backend", node="backend", aim="last", number=0)
        self.backend.kill()
        self.read_log()
        for gateway in self.gateways:
            gateway.kill()
            self.read_gateway(gateway)
            gateway.start(until="bound")
        begun = time.monotonic()
        self._expect_refused("restarted, with the backend dead")
        for gateway in self.gateways:
            self.prober.probe(gateway, people.stranger())
            self.main("dark", gateway=gateway.name, begun=begun)

    def _expect_refused(self, when):
        credentials = self.population.all_revoked()
        for gateway in self.gateways:
            for credential in credentials:
                outcome = self.prober.probe(gateway, credential)
                if outcome != "refused":
                    self.main("fault", rule="8.7", text="%s %s: the revoked %s/%s was %s" % (gateway.name, when, *credential[:2], outcome))
        self.main("sweep", credentials=len(credentials))

    def _end(self):
        self.recorder.end() if hasattr(self, "recorder") else None
        for thread in self.threads:
            if hasattr(thread, "stopping"):
                thread.stopping.set()
        for node in [self.backend, *self.gateways]:
            node.end()
        for thread in self.threads:
            thread.join(5)
        record = self.history.sink("listener")
        for listener in self.listeners:
            listener.end()
            events, gaps, unverified = listener.history()
            record("listened", user=listener.user, session=listener.session, events=events, gaps=gaps, unverified=unverified, **{"from": ""})
        self.history.close()


def vacuous(counts, options):
    """Why the run would prove nothing, or None."""
    wanted = {"kills_backend": options.backend_kills, "kills_gateway": options.gateway_kills, "acknowledged": 200, "delivered": 200, "welcome_resumed": 10,
              "probes": 10, "bye_4503": 3, "recorder_streams": 1, "listened": 50}
    short = {name: counts[name] for name, least in wanted.items() if counts[name] < least}
    if short:
        return "too little happened: %s" % short
    gaps = counts["welcome_gap"]
    if gaps > 0.1 * (counts["welcome_resumed"] + gaps) + 20:
        return "%d of %d resumes were gaps" % (gaps, gaps + counts["welcome_resumed"])
    return None


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--engine", default="sqlite")
    parser.add_argument("--backend-kills", type=int, default=200)
    parser.add_argument("--gateway-kills", type=int, default=100)
    parser.add_argument("--long-downs", type=int, default=3, help="how often the backend is away for longer than the window")
    parser.add_argument("--run-s", type=float, default=0.8, help="how long everything runs between two faults, on average")
    parser.add_argument("--revoke-s", type=float, default=0.6, help="between two invalidations, on average")
    parser.add_argument("--window-s", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="keep the folder also when nothing is wrong")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def run(options):
    """A whole campaign; prints what came of it and returns the faults."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="galaxy-crash-"))
    print("crash campaign: seed %d, %d backend kills, %d gateway kills, folder %s" % (options.seed, options.backend_kills, options.gateway_kills, folder), flush=True)
    begun = time.monotonic()
    verdict = Campaign(options, folder).run()
    empty = vacuous(verdict.counts, options)
    if empty:
        verdict.fault("campaign", empty)
    print(verdict.text())
    print("crash campaign: %s, %d faults, seed %d, %s, %.0f s" % ("FAILED" if verdict.faults else "passed", len(verdict.faults), options.seed,
                                                                 time.strftime("%Y-%m-%d"), time.monotonic() - begun))
    if verdict.faults or options.keep:
        print("kept: %s (tests/crash/judge.py judges it again); the same schedule: --seed %d" % (folder, options.seed), flush=True)
    else:
        shutil.rmtree(folder)
    return verdict.faults


def main():
    faults = run(parse(None))
    sys.stdout.flush()
    os._exit(1 if faults else 0)  # grpcio's threads may linger


if __name__ == "__main__":
    main()
