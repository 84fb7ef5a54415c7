"""Three nats-servers, three backends and two gateways on loopback, each a process of its own, and what they are doing."""
import concurrent.futures, http.client, json, pathlib, queue, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("support", "crash", "cluster"):
    sys.path.insert(0, str(ROOT / "tests" / folder))
import harness
from nodes import Died, Node
from servers import Cluster

USER, PLANE, ISSUER, AUDIENCE = "commander-7", "galaxy", "https://login.galaxy.demo", "galaxy"
POLL_S = 0.3


class Plane:
    """Starts and ends the processes, all on the main thread, with which the servers die; look() says what each does."""

    def __init__(self, folder, origins, log_level="info"):
        self.folder, self.orders = pathlib.Path(folder), queue.Queue()
        self.cluster = Cluster(self.folder / "nats")
        self.key, self.jwks = self.folder / "login-key.json", self.folder / "login-jwks.json"
        envelope = self.folder / "envelope.json"
        if not self.key.exists():
            self._keys("generate", "--out", self.key, "--jwks", self.jwks)
            self._keys("envelope", "--out", envelope)
        self.backends = [Node("b%d" % n, self.folder / ("b%d" % n), [
            "backend", "--engine", "jetstream", "--nats", self.cluster.urls, "--canary", "1s", "--log-level", log_level]) for n in (1, 2, 3)]
        self.envelope, self.origins, self.log_level = envelope, origins, log_level
        self.gateways = []

    @staticmethod
    def _keys(*arguments):
        subprocess.run([harness.BINARY, "keys", *map(str, arguments)], check=True, capture_output=True)

    def start(self):
        self.cluster.start()
        for backend in self.backends:
            backend.spawn()
        for backend in self.backends:
            backend.wait()
        for n in (1, 2):
            folder = self.folder / ("gw-%d" % n)
            self.gateways.append(Node("gw-%d" % n, folder, [
                "gateway", "--id", "gw-%d" % n, "--backend", ",".join(b.listen for b in self.backends), "--data", folder / "data", "--jwks", self.jwks,
                "--issuer", ISSUER, "--audience", AUDIENCE, "--plane", PLANE, "--envelope-keys", self.envelope, "--origins", ",".join(self.origins),
                "--backend-check", "1s", "--drain-spread", "1s", "--log-level", self.log_level]))
            self.gateways[-1].start()

    def nodes(self):
        return [*self.cluster.servers, *self.backends, *self.gateways]

    def act(self, name, what):
        """kill, stop (SIGTERM) or start, of one process; returns a sentence. From another thread than the main one."""
        node = next((n for n in self.nodes() if n.name == name), None)
        if node is None or what not in ("kill", "stop", "start"):
            raise ValueError("no process %r, or none of kill, stop, start" % name)
        order = concurrent.futures.Future()
        self.orders.put((order, node, what))
        return order.result(60)

    def obey(self, seconds):
        """Carries out what act() asks for, for so long. On the main thread."""
        try:
            order, node, what = self.orders.get(timeout=seconds)
        except queue.Empty:
            return
        try:
            order.set_result(self._act(node, what))
        except Exception as error:
            order.set_exception(error)

    def _act(self, node, what):
        name, runs = node.name, node.process is not None and node.process.poll() is None
        if not runs:
            node.process = None
        if runs == (what == "start"):
            return "%s %s" % (name, "runs already" if runs else "is not running")
        if what == "start":
            node.start() if node in self.cluster.servers else node.spawn()
        else:
            getattr(node, what)()
        return {"kill": "%s was killed (SIGKILL)", "stop": "%s was stopped (SIGTERM)", "start": "%s was started"}[what] % name

    def token(self, session):
        command = [harness.BINARY, "token", "--key", str(self.key), "--user", USER, "--session", session, "--issuer", ISSUER, "--audience", AUDIENCE]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    # What is seen from outside, as an operator sees it.
    def look(self):
        backends = [self._backend(b) for b in self.backends]
        gateways = [self._node(g) | {"backend": next((b["name"] for b in backends if g.name in b["gateways"]), None)} for g in self.gateways]
        return {"servers": self._servers(), "backends": backends, "gateways": gateways}

    def _servers(self):
        rows = []
        for server in self.cluster.servers:
            runs = server.process is not None and server.process.poll() is None
            streams = server.streams(timeout=0.3) if runs else {}
            leads = sorted(name for name, (leader, _, _) in streams.items() if leader == server.name)
            rows.append({"name": server.name, "address": server.client, "state": "ready" if streams else "starting" if runs else "down",
                         "leads": [name for name in leads if not name.startswith("KV_")]})
        return rows

    def _node(self, node):
        row = {"name": node.name, "address": node.listen, "state": "down", "why": ""}
        if node.process is None:
            return row
        if node.process.poll() is not None:
            node.process = None
            return row | {"why": "it ended by itself: see %s" % node.log_path}
        try:
            node.bound()
            answer = ask(node.admin, "/readyz")
            return row | {"address": node.listen, "state": "ready" if answer[0] == 200 else "not ready", "why": "" if answer[0] == 200 else answer[1].strip()[:200]}
        except (OSError, ValueError, http.client.HTTPException, Died):
            return row | {"state": "starting"}

    def _backend(self, node):
        row = self._node(node) | {"gateways": []}
        if row["state"] in ("ready", "not ready"):
            try:
                row["gateways"] = [s["gateway_client_id"] for s in json.loads(ask(node.admin, "/v1/subscriptions")[1])["subscriptions"]]
            except (OSError, ValueError, http.client.HTTPException):
                pass
        return row

    def post(self, path, body, seconds=12):
        """(status, answer) of the first backend that does not refuse for now; tries them in turn."""
        end, last = time.monotonic() + seconds, (503, b'{"error":{"message":"no backend answers"}}')
        while time.monotonic() < end:
            for backend in self.backends:
                if backend.process is None:
                    continue
                try:
                    last = send(backend.listen, path, body)
                except (OSError, http.client.HTTPException):
                    continue
                if last[0] not in (429, 503):
                    return last
            time.sleep(0.1)
        return last

    def end(self):
        """Gateways first, then backends, then servers."""
        for group in (self.gateways, self.backends, self.cluster.servers):
            # Who draws the page may find a process ended, and forget it, at any moment.
            running = [process for process in [node.process for node in group] if process is not None and process.poll() is None]
            for process in running:
                process.terminate()
            for process in running:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
            for node in group:
                node.end()


def ask(address, path):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=1)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def send(address, path, body):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
