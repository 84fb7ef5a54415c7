"""What the rows of the edge share: servers that hold clients, ours and the peers, and the load on them (edge_load).

    with edge.galaxy() as server, server.load("ws") as load:
        load("connect", users=10000)
        load("load", window=1024, seconds=3)["cpu_us_each"]

A server has `pids`, whose CPU time and memory are its cost, `subscribe` and `publish`, the addresses of clients and of the
publisher. It runs on the server's CPU alone; the load, and a backend of ours, on the load's.
"""
import contextlib, json, pathlib, resource, socket, subprocess, time

import support
from support import harness

CLIENTS_MAX = 19_000  # a process may open 20,000 files here

# Servers and load inherit it.
_SOFT, _HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_HARD, _HARD))


class Load:
    """A running edge_load: call it with a command, get its figures."""

    def __init__(self, process):
        self.process = process

    def __call__(self, verb, **words):
        line = " ".join([verb, *("%s=%s" % (name.replace("_", "-"), value) for name, value in words.items())])
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("edge_load: %s: %s" % (line, self.process.stderr.read().decode()[-2000:]))
        return json.loads(answer)


class Server:
    def __init__(self, dialect, pids, subscribe, publish, options=(), ca=None):
        self.dialect, self.pids, self.subscribe, self.publish, self.options, self.ca = dialect, pids, subscribe, publish, options, ca

    @contextlib.contextmanager
    def load(self, dialect=None):
        arguments = [support.program("edge_load"), "--dialect", dialect or self.dialect, "--server", self.subscribe, "--publish", self.publish]
        for pid in self.pids:
            arguments += ["--watch", pid]
        if self.ca:
            arguments += ["--ca", self.ca]
        with support.on_cpu(support.LOAD):
            process = subprocess.Popen([str(a) for a in (*arguments, *self.options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
        try:
            yield Load(process)
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def memory_bytes(self):
        return sum(support.pss_bytes(pid) for pid in self.pids)


def settled_memory(server, seconds=5):
    """Memory once it stands still."""
    end, last = time.monotonic() + seconds, server.memory_bytes()
    while time.monotonic() < end:
        time.sleep(0.3)
        now = server.memory_bytes()
        if abs(now - last) < 64 * 1024:
            return now
        last = now
    return last


# One user may have a thousand sessions here, and all come from one address at once.
NO_LIMITS = ("--user-connections", "0", "--user-connects", "0", "--address-connections", "0", "--address-connects", "0")


@contextlib.contextmanager
def galaxy(tls=False, sqlite=False, gateway_options=(), backend_options=()):
    """A backend and a gateway of ours; the gateway is what is measured."""
    support.program("edge_load")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(support.folder())
        data = folder / "log" if sqlite else None
        backend = stack.enter_context(support.backend(*backend_options, data=data, cpu=support.LOAD))
        key, jwks = folder / "login-key.json", folder / "login-jwks.json"
        support.run(support.LOAD, harness.BINARY, "keys", "generate", "--out", key, "--jwks", jwks)
        keys = _Keys(jwks)
        options, ca = [*NO_LIMITS, *gateway_options], None
        if tls:
            ca, certificate, certificate_key = certificates(folder)
            options += ["--tls-cert", certificate, "--tls-key", certificate_key]
        gateway = stack.enter_context(support.gateway(backend.listen, keys, folder / "gateway", *options))
        harness.wait_for("the gateway is ready", gateway.ready_now)
        yield Server("ws", [gateway.process.pid], gateway.listen, backend.listen, ["--key", key], ca)


class _Keys:
    """What harness.gateway() reads of its Keys: a key that `keys generate` made."""
    ISSUER, AUDIENCE = "https://login.example", "galaxy"

    def __init__(self, jwks):
        self.jwks = jwks


def certificates(folder):
    """(ca, certificate, key) for 127.0.0.1, ECDSA P-256, a day."""
    import datetime, ipaddress
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    now = datetime.datetime.now(datetime.timezone.utc)

    def issue(name, issuer, issuer_key, key, extension):
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical=True)
                .sign(issuer_key or key, hashes.SHA256()))

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = issue("bench CA", None, None, ca_key, x509.BasicConstraints(ca=True, path_length=None))
    name = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = issue("bench", ca.subject, ca_key, key, name)
    paths = [folder / "ca.crt", folder / "server.crt", folder / "server.key"]
    paths[0].write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


@contextlib.contextmanager
def floor():
    with support.started(support.SERVER, support.program("floor_server"), stdout=subprocess.PIPE) as process:
        clients, publishers = process.stdout.readline().split()
        yield Server("floor", [process.pid], "127.0.0.1:%d" % int(clients), "127.0.0.1:%d" % int(publishers))


def free_port():
    """For peers that cannot take port 0 and say what they got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listening(port):
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nats():
    program = support.installed("nats-server")
    publish, subscribe = free_port(), free_port()
    with support.folder() as folder:
        config = folder / "nats.conf"
        # A slow load process is not what is compared: no client is cut off.
        config.write_text("""listen: "127.0.0.1:%d"\nmax_connections: 25000\nmax_pending: 1GB\nwrite_deadline: "60s"\nping_interval: "10m"
websocket { listen: "127.0.0.1:%d", no_tls: true, compression: false }\n""" % (publish, subscribe))
        with support.started(support.SERVER, program, "-c", config) as process:
            harness.wait_for("NATS listens", lambda: _listening(publish) and _listening(subscribe))
            yield Server("nats", [process.pid], "127.0.0.1:%d" % subscribe, "127.0.0.1:%d" % publish)


NCHAN_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NCHAN_CONFIG = """
load_module %(module)s;
daemon off; master_process on; worker_processes 1; worker_rlimit_nofile 20000; user root;
error_log %(folder)s/error.log; pid %(folder)s/pid;
events { worker_connections 19990; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; nchan_shared_memory_size 1G;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:%(port)d backlog=4096;
    location ~ ^/sub/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; nchan_websocket_ping_interval 0; }
    location ~ ^/pub/(.+)$ { nchan_publisher http; nchan_channel_id $1; nchan_store_messages off; client_max_body_size 1m; client_body_buffer_size 128k; }
  }
}
"""


@contextlib.contextmanager
def nchan():
    program = support.installed("nginx", "nginx-light")
    if not NCHAN_MODULE.exists():
        raise support.Absent("libnginx-mod-nchan is not installed (tools/setup bench)")
    port = free_port()
    with support.folder() as folder:
        config = folder / "nginx.conf"
        config.write_text(NCHAN_CONFIG % {"module": NCHAN_MODULE, "folder": folder, "port": port})
        with support.started(support.SERVER, program, "-p", folder, "-c", config, "-e", folder / "error.log") as process:
            harness.wait_for("nginx listens", lambda: _listening(port) and _children(process.pid))
            try:
                yield Server("nchan", _children(process.pid), "127.0.0.1:%d" % port, "127.0.0.1:%d" % port)
            finally:
                process.terminate()  # the worker ends with its master
                process.wait(20)


def _children(pid):
    path = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid))
    if path.exists():
        return [int(child) for child in path.read_text().split()]
    return [int(line) for line in support._output("pgrep", "-P", str(pid)).split()]


PEERS = {"floor": ("bare loop (the floor)", floor), "nchan": ("Nchan", nchan), "nats": ("NATS over WebSocket", nats)}
