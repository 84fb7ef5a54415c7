"""nats-server processes with JetStream: one, or a cluster of three, each with its own store folder.

Each server keeps its name, addresses and folder through all its lives, so it can be killed, stopped, paused and
started again. On loopback the ports are free ones; in a Network (network.py) each server has an address of its own.
"""
import contextlib, http.client, json, pathlib, signal, socket, subprocess, sys, time

import nats

BINARY = "nats-server"


class Died(Exception):
    """A server ended that nobody ended."""


def free_ports(count):
    """Ports that nobody has at this moment; all of them are held together, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """One nats-server. `machine`: where it runs, with run(command, **popen), its address, watch
    (its address for tests) and listen (what to bind)."""

    def __init__(self, name, folder, machine, ports):
        self.name, self.machine = name, machine
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = self.folder / "store"
        self.port, self.route_port, self.monitor_port = ports
        self.process, self.log, self.lives = None, open(self.folder / "log", "ab"), 0

    @property
    def client(self):
        return "%s:%d" % (self.machine.address, self.port)

    @property
    def watch(self):
        """Its client address as a test has it that must reach it also when it is cut off from the cluster."""
        return "%s:%d" % (self.machine.watch, self.port)

    @property
    def route(self):
        return "nats://%s:%d" % (self.machine.address, self.route_port)

    @property
    def monitor(self):
        return "%s:%d" % (self.machine.watch, self.monitor_port)

    def configure(self, routes, extra=""):
        """Writes the configuration. `routes` empty: a server without a cluster."""
        any = self.machine.listen
        text = 'server_name: %s\nlisten: "%s:%d"\nhttp: "%s:%d"\n' % (self.name, any, self.port, any, self.monitor_port)
        text += 'ping_interval: "2s"\nping_max: 2\n'  # a cut is noticed by PINGs; the default is minutes
        text += 'jetstream { store_dir: "%s", max_mem: 256M, max_file: 4G }\n' % self.store
        if routes:
            listed = ", ".join('"%s"' % r for r in routes)
            text += 'cluster { name: galaxy-test, listen: "%s:%d", routes: [%s], no_advertise: true }\n' % (any, self.route_port, listed)
        (self.folder / "nats.conf").write_text(text + extra)

    def start(self):
        assert self.process is None
        self.lives += 1
        self.log.write(b"--- life %d\n" % self.lives)
        self.log.flush()
        # It dies with the thread that started it, which is a test's main thread.
        command = ["setpriv", "--pdeathsig", "KILL", BINARY, "-c", str(self.folder / "nats.conf")]
        self.process = self.machine.run(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        self.check()
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=30):
        """SIGTERM, as systemd stops it: no lame duck. Returns the exit status."""
        self.check()
        self.process.terminate()
        status = self.process.wait(seconds)
        self.process = None
        return status

    def pause(self):
        self.check()
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def check(self):
        if self.process is not None and self.process.poll() is not None:
            status, self.process = self.process.returncode, None
            raise Died("%s ended by itself with status %d\n%s" % (self.name, status, self.tail()))

    def ask(self, path, timeout=2):
        """The decoded answer of its monitoring address."""
        connection = http.client.HTTPConnection(self.machine.watch, self.monitor_port, timeout=timeout)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def healthy(self):
        """Whether its JetStream runs and knows a meta leader; not whether its streams are current."""
        try:
            return self.ask("/healthz?js-server-only=true").get("status") == "ok"
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def streams(self, timeout=1):
        """{name: (leader, messages, last sequence)} of the streams it holds, as it sees them; {} when it does not answer."""
        try:
            accounts = self.ask("/jsz?streams=true", timeout).get("account_details") or []
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        details = [detail for account in accounts for detail in account.get("stream_detail") or []]
        return {d["name"]: (d.get("cluster", {}).get("leader"), d["state"]["messages"], d["state"]["last_seq"]) for d in details}

    def tail(self, bytes_max=4000):
        return "%s\n%s" % (self.folder / "log", (self.folder / "log").read_bytes()[-bytes_max:].decode(errors="replace"))

    def end(self):
        """For clean-up: whatever state it is in."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None
        self.log.close()


class Loopback:
    """The machine this runs on."""

    address = watch = listen = "127.0.0.1"

    @staticmethod
    def run(command, **popen):
        return subprocess.Popen(command, **popen)


class Cluster:
    """`count` servers; 1 has no cluster configuration. A context manager that ends what it started."""

    def __init__(self, folder, machines=None, count=3, extra=""):
        folder = pathlib.Path(folder)
        machines = machines or [Loopback] * count
        self.servers = []
        ports = free_ports(3 * count)
        for n, machine in enumerate(machines):
            mine = ports[3 * n:3 * n + 3] if machine is Loopback else (4222, 6222, 8222)
            self.servers.append(Server("n%d" % (n + 1), folder / ("n%d" % (n + 1)), machine, mine))
        routes = [s.route for s in self.servers] if count > 1 else []
        for server in self.servers:
            server.configure(routes, extra)

    @property
    def urls(self):
        return ",".join("nats://" + s.client for s in self.servers)

    def start(self, seconds=30):
        for server in self.servers:
            if server.process is None:
                server.start()
        self.wait_healthy(seconds)
        return self

    def wait_healthy(self, seconds=30):
        end = time.monotonic() + seconds
        for server in self.servers:
            while not server.healthy():
                server.check()
                if time.monotonic() > end:
                    raise AssertionError("%s is not healthy within %d s\n%s" % (server.name, seconds, server.tail()))
                time.sleep(0.05)
        while self.meta_leader() is None:
            if time.monotonic() > end:
                raise AssertionError("the cluster has no meta leader within %d s" % seconds)
            time.sleep(0.02)

    def connect(self, timeout=2.0, server=None):
        """A connection to the first server that answers."""
        for candidate in [server] if server else self.running():
            try:
                return nats.Nats(candidate.watch, timeout)
            except (OSError, nats.NatsError) as error:
                last = error
        raise last

    def running(self):
        return [s for s in self.servers if s.process is not None]

    def by_name(self, name):
        return next(s for s in self.servers if s.name == name)

    def meta_leader(self):
        """The leader of the cluster's own state, as a quorum of servers has it; None while there is none."""
        if len(self.servers) == 1:
            return self.servers[0]
        votes = []
        for server in self.running():
            try:
                votes.append(server.ask("/jsz").get("meta_cluster", {}).get("leader"))
            except (OSError, ValueError, http.client.HTTPException):
                pass
        for server in self.servers:
            if votes.count(server.name) > len(self.servers) // 2:
                return server
        return None

    def leader(self, stream, seconds=10):
        """The server that leads `stream`, as the server itself says."""
        end = time.monotonic() + seconds
        while True:
            found = self.leader_now(stream)
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError("%s has no leader within %d s" % (stream, seconds))
            time.sleep(0.01)

    def leader_now(self, stream):
        if len(self.servers) == 1:
            return self.servers[0]
        for server in self.running():
            leader = server.streams(timeout=0.5).get(stream, (None,))[0]
            if leader == server.name:
                return server
        return None

    def followers(self, stream):
        leader = self.leader(stream)
        return [s for s in self.servers if s is not leader]

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        for server in self.servers:
            if kind is not None:
                sys.stderr.write("--- %s\n" % server.tail(1500))
            server.end()
