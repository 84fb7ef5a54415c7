"""A whole plane: three servers, backends over them, gateways, and everybody who uses them, under observation.

Everything is written into a history (tests/crash/history.py) and judged afterwards by the judge of the kill
campaigns, who takes for the truth what recorders saw at all backends: the same entries, in one order. On loopback, or
with `machines` in network namespaces: servers and backends then have machines of their own, gateways and clients are
where the test is.
"""
import os, pathlib, random, subprocess, sys, threading, time, traceback, types

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("crash", "support"):
    sys.path.insert(0, str(HERE.parent / folder))
sys.path.insert(0, str(HERE))
import harness
import history, network, producers, replicas, wire
from clients import Listener, Prober, SessionClient
from history import History
from judge import Judge
from nodes import Died, Node
from population import Population
from recorder import Recorder
from servers import Cluster

LISTENERS = [("u-listen-0", "s-listen-0"), ("u-listen-1", "s-listen-1")]
DEFAULTS = dict(seed=1, backends=3, gateways=2, servers=3, machines=False, window_s=120, canary_ms=500, pause_s=0.03, revoke_s=0.5, users=4, restless=True)


class StillClient(SessionClient):
    """A session that never leaves a gateway by itself."""

    def _stay(self, connection):
        connection.stop = self.stopping.is_set
        for _ in connection.frames():
            self.cursor = connection.cursor


class Plane:
    """A context manager; entering starts servers, backends and gateways, start_load() everybody else."""

    backend = types.SimpleNamespace(spring=lambda: None)  # the kill campaigns' trap at an acknowledgement

    def __init__(self, folder, **options):
        self.options = types.SimpleNamespace(**(DEFAULTS | options))
        o, self.folder, self.seed = self.options, pathlib.Path(folder), self.options.seed
        self.random = random.Random("%s/plane" % o.seed)
        self.history = History(self.folder / "history")
        self.main = self.history.sink("main")
        self.main("setting", wall_offset_s=time.time() - time.monotonic(), **vars(o))
        self.window_s, self.retry_s = o.window_s, o.window_s / 3
        self.settling, self.failures = False, []
        self.threads, self.listeners, self.recorders, self.publishers = [], [], [], []
        self.keys = harness.Keys(self.folder)
        self.population = Population(o.seed, users=o.users, sessions_per_user=2, undisturbed=LISTENERS)
        names = ["n%d" % (n + 1) for n in range(o.servers)], ["b%d" % (n + 1) for n in range(o.backends)]
        self.machines = {name: network.Machine(name, 10 * (kind + 1) + n) for kind in (0, 1) for n, name in enumerate(names[kind])} if o.machines else {}
        self.cluster = Cluster(self.folder, [self.machines[name] for name in names[0]] if o.machines else None, count=o.servers)
        self.backends = [self._backend(name) for name in names[1]]
        self.gateways, self.names = [], []
        self.silent_s = {}  # fault -> the longest time without an acknowledgement, by silences()

    def _backend(self, name):
        arguments = ["backend", "--engine", "jetstream", "--nats", self.cluster.urls, "--window", "%ds" % self.window_s,
                     "--canary", "%dms" % self.options.canary_ms, "--log-level", "info"]
        if not self.machines:
            return Node(name, self.folder / name, arguments)
        machine = self.machines[name]
        return Node(name, self.folder / name, [*arguments, "--plaintext"], run=machine.run,
                    listen=machine.watch + ":7400", admin=machine.watch + ":7401")

    # Starting.
    def __enter__(self):
        try:
            self.cluster.start()
            for backend in self.backends:
                backend.spawn()
            for backend in self.backends:
                backend.wait()
            subprocess.run([harness.BINARY, "keys", "envelope", "--out", str(self.folder / "envelope.json")], check=True, capture_output=True)
            for n in range(self.options.gateways):
                self.gateways.append(self.gateway("gw-%d" % n))
            for gateway in self.gateways:
                gateway.spawn()
            for gateway in self.gateways:
                gateway.wait()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def gateway(self, name, backends=None):
        addresses = ",".join(b.listen for b in backends or self.backends)
        folder = self.folder / name
        return Node(name, folder, [
            "gateway", "--id", name, "--backend", addresses, "--data", folder / "data", "--jwks", self.keys.jwks, "--issuer", self.keys.ISSUER,
            "--audience", self.keys.AUDIENCE, "--envelope-keys", self.folder / "envelope.json", "--window", "%ds" % self.window_s, "--plaintext",
            "--backoff", "50ms", "--backoff-max", "500ms", "--backend-check", "500ms", "--heartbeat", "1s",
            # A client may have seen at another gateway what this one gets only after an election.
            "--future-wait", "20s"])

    def start_load(self):
        o = self.options
        self.jwks = harness.get(self.gateways[0].listen, "/.well-known/jwks.json").json
        self.recorders = [Recorder(self, "recorder-" + b.name, lambda b=b: b.listen) for b in self.backends]
        # And one that goes from backend to backend with one cursor.
        self.wanderer = Recorder(self, "recorder-wanderer", lambda: self.random.choice(self.backends).listen)
        self.recorders.append(self.wanderer)
        for recorder in self.recorders:
            self.launch(recorder)
        harness.wait_for("recorders have begun", lambda: all(r.cursor for r in self.recorders))
        self.listeners = [Listener(self, gateway, user, session) for gateway, (user, session) in zip(self.gateways, LISTENERS)]
        for listener in self.listeners:
            harness.wait_for("listen is connected", listener.connected)
        for session, user in sorted(self.population.live.items()):
            self.launch(self._client(user, session))
        self.publishers = [producers.HttpProducer("http-0", self, o.pause_s), producers.HttpProducer("http-1", self, o.pause_s),
                           producers.GrpcProducer("grpc-0", self, o.pause_s)]
        self.revoker, self.prober = producers.Revoker(self, o.revoke_s), Prober(self, 0.1)
        for thread in [*self.publishers, self.revoker, self.prober]:
            self.launch(thread)
        self.wait_flowing()

    def _client(self, user, session):
        return (SessionClient if self.options.restless else StillClient)(self, user, session)

    def sign_in(self, user):
        self.launch(self._client(user, self.population.sign_in(user)))

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

    # Observing.
    def check(self):
        """Raises when a process ended by itself or a thread of the test failed."""
        for node in [*self.cluster.servers, *self.backends, *self.gateways]:
            node.check()
        if self.failures:
            raise Died("a thread of the test failed\n" + self.failures[0])

    def acknowledged(self):
        return sum(p.acknowledged for p in self.publishers)

    def wait(self, what, condition, seconds=45):
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            self.check()
            if time.monotonic() > end:
                raise Died("not within %d s: %s" % (seconds, what))
            time.sleep(0.02)

    def wait_flowing(self, seconds=60):
        """Until every producer has had an acknowledgement from now on."""
        before = {p: p.acknowledged for p in self.publishers}
        self.wait("every producer gets acknowledgements", lambda: all(p.acknowledged > n for p, n in before.items()), seconds)

    def wait_ready(self, seconds=60):
        for node in [*self.backends, *self.gateways]:
            self.wait(node.name + " is ready", lambda: node.process is not None and node.ready(), seconds)

    def live(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check()
            time.sleep(0.05)

    def serving(self, gateway):
        """The backends that have a subscription of `gateway`."""
        found = []
        for backend in self.backends:
            if backend.process is None:
                continue
            try:
                listed = harness.get(backend.admin, "/v1/subscriptions").json
            except (OSError, ValueError):
                continue
            if any(s["gateway_client_id"] == gateway.name for s in listed["subscriptions"]):
                found.append(backend)
        return found

    def streams(self):
        """The streams that hold the log: the log's own first, then what retains its invalidations."""
        if not self.names:
            with self.cluster.connect(timeout=5) as client:
                names = [name for name in client.api("STREAM.NAMES")["streams"] if not name.startswith("KV_")]
            self.names = sorted(names, key=lambda name: not name.endswith("-log"))
        return self.names

    def stream(self):
        return self.streams()[0]

    def fault(self, name, **fields):
        """Marks the beginning of a fault in the history; silences() measures from there."""
        self.main("kill", role="fault", node=name, aim=name, number=0, **fields)

    # Ending.
    def settle(self):
        """Nothing is broken any more: what is on its way must arrive everywhere."""
        self.settling = True
        self.wait_ready()
        for thread in [self.revoker, *self.publishers]:
            thread.stopping.set()
        for thread in [self.revoker, *self.publishers]:
            thread.join(60)
            if thread.is_alive():
                raise Died("%s did not end within 60 s" % thread.name)
        users = self.population.users + [user for user, _ in LISTENERS]
        self.markers = {user: self._publish_marker(user) for user in users}
        newest = max(self.markers.values())
        self.wait("recorders have everything", lambda: all(r.cursor >= newest for r in self.recorders))
        self.wait("each live session has the last event", lambda: not self._behind())
        self.wait("each listen has the last event", lambda: all(x.has("marker") for x in self.listeners))

    def _publish_marker(self, user):
        """The last event of a user; returns its cursor."""
        payload, begun, record = b'{"last": true}', round(time.monotonic(), 6), self.history.sink("publisher-marker")
        key = {"user": user, "session": "", "id": "marker"}
        record("sent", digest=wire.event_digest(kind="game.turn.ready", payload=payload, **key), **key)
        body = {"user_id": user, "event_id": "marker", "kind": "game.turn.ready", "payload": {"last": True}}
        cursor = producers.post_somewhere(self, "/v1/events", body)
        record("ack", cursor=cursor, duplicate=False, begun=begun, attempts=1, **key)
        return cursor

    def _behind(self):
        live = [t for t in self.threads if isinstance(t, SessionClient) and t.is_alive()]
        return ["%s/%s at %s" % (t.user, t.session, t.cursor) for t in live if (t.cursor or "") < self.markers[t.user]]

    def sweep(self):
        """Every credential ever revoked is refused at every gateway, and at gateways that begin now, knowing nothing, one
        at each backend: what they refuse they have from the retained invalidations."""
        fresh = [self.gateway("fresh-" + b.name, [b]) for b in self.backends]
        try:
            for gateway in fresh:
                gateway.start()
            for gateway in [*self.gateways, *fresh]:
                for credential in self.population.all_revoked():
                    outcome = self.prober.probe(gateway, credential)
                    if outcome != "refused":
                        self.main("fault", rule="8.7", text="%s: the revoked %s/%s was %s" % (gateway.name, *credential[:2], outcome))
            self.main("sweep", credentials=len(self.population.all_revoked()))
        finally:
            for gateway in fresh:
                gateway.end()

    def finish(self):
        """Settles, sweeps, compares the servers' copies, ends everything and returns the judge's verdict."""
        try:
            self.settle()
            self.sweep()
            self.end_users()
            for backend in self.backends:
                backend.stop()
            self._compare_copies()
        except Died as died:
            self.main("fault", rule="process", text=str(died))
        finally:
            self.end_users()
        verdict = Judge(self.folder / "history").judge()
        self.silent_s = silences(verdict)
        return verdict

    def _compare_copies(self):
        """What each server holds, read from its own copy: the log the same everywhere, each acknowledged invalidation retained.
        In which order those lie in their stream means nothing, and 2.9.10 does not always keep it the same (docs/reliability.md)."""
        log, retained = self.streams()
        with self.cluster.connect(timeout=5) as client:
            began_ms = int(client.stream(log, timeout=20)["config"]["description"].split()[-1])
        acks = history.load(self.folder / "history", "publisher-invalidator")
        wanted = [int(r["cursor"][:16], 16) - (began_ms << 16) for r in acks if r["what"] == "ack"]
        faults = [log + ": " + sentence for sentence in replicas.differences(replicas.copies(self.cluster, log))]
        kept = replicas.copies(self.cluster, retained, replicas.place)
        faults += [retained + ": " + sentence for sentence in replicas.missing(kept, wanted)]
        for sentence in faults:
            self.main("fault", rule="3.2" if sentence.startswith(retained) else "2.1", text=sentence)
        self.main("compared", wanted=len(wanted))

    def end_users(self):
        """Recorders last: they are to see what the others were told, also when a run is broken off."""
        others = [t for t in self.threads if t not in self.recorders]
        for thread in others:
            if hasattr(thread, "stopping"):
                thread.stopping.set()
        for thread in others:
            thread.join(5)
        time.sleep(0.5 if self.recorders else 0)
        for recorder in self.recorders:
            recorder.end()
        for recorder in self.recorders:
            recorder.join(5)
        record = self.history.sink("listener")
        for listener in self.listeners:
            listener.end()
            events, gaps, unverified = listener.history()
            record("listened", user=listener.user, session=listener.session, events=events, gaps=gaps, unverified=unverified, **{"from": ""})
        self.threads, self.listeners, self.recorders = [], [], []

    def __exit__(self, kind, *rest):
        self.end_users()
        for node in [*self.gateways, *self.backends]:
            node.end()
        self.cluster.__exit__(None)
        for machine in self.machines.values():
            machine.end()
        self.history.close()


def silences(verdict):
    """{fault: seconds}: the longest time in which nobody got an acknowledgement, from shortly before the fault to the next."""
    acks = sorted(r["t"] for r in verdict.publishers if r["what"] == "ack")
    marks = [(r["t"], r["aim"]) for r in verdict.main if r["what"] == "kill" and r["role"] == "fault"]
    found = {}
    for (begun, name), (end, _) in zip(marks, marks[1:] + [(float("inf"), "")]):
        inside = [t for t in acks if begun - 1 <= t < end]
        longest = max((b - a for a, b in zip(inside, inside[1:])), default=float("inf"))
        found.setdefault(name, []).append(round(longest, 2))
    return found
