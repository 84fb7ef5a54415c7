"""The files of deploy/, as docs/operations/cluster.md says to install them: they are run, with other addresses and folders."""
import contextlib, datetime, http.client, ipaddress, json, pathlib, re, shutil, socket, ssl, subprocess, sys, unittest

for folder in ("cluster", "support"):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / folder))
import harness
from servers import Loopback, Server, free_ports

DEPLOY = harness.ROOT / "deploy"


class Authority:
    """A CA and what it signs; names as in the files, all of them on loopback."""

    def __init__(self, folder):
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        self.folder, self.x509 = folder, x509
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plane CA")])
        self.certificate = self._sign(self.name, self.key.public_key(), [(x509.BasicConstraints(True, 0), True)])
        self._write("ca.crt", self.certificate)

    def _sign(self, subject, public_key, extensions):
        from cryptography.hazmat.primitives import hashes
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        builder = self.x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        builder = builder.serial_number(self.x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, file, names=(), uris=()):
        """For both ends of a connection: servers are each other's clients, a backend is the servers' client."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        x509, key = self.x509, ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.DNSName(n) for n in names] + [x509.UniformResourceIdentifier(u) for u in uris] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file)])
        self._write(file + ".crt", self._sign(subject, key.public_key(), [(x509.SubjectAlternativeName(alternatives), False), (usage, False)]))
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / (file + ".key")).write_bytes(text)

    def _write(self, file, certificate):
        from cryptography.hazmat.primitives import serialization
        (self.folder / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class Deploy(unittest.TestCase):
    def test_units_are_good_and_start_what_is_there(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not here")
        folder = self.enterContext(harness.folder())
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            text = unit.read_text().replace("/usr/bin/galaxy-push", harness.BINARY if harness.BINARY.startswith("/") else str(pathlib.Path(harness.BINARY).resolve()))
            (folder / unit.name).write_text(text)
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(folder / unit.name)], capture_output=True, text=True)
            ours = [line for line in done.stderr.splitlines() if "galaxy-push" in line]
            self.assertEqual((done.returncode, ours), (0, []), done.stderr)
            # How long a stop may take is more than what the program takes for it by default.
            self.assertGreaterEqual(int(re.search(r"TimeoutStopSec=(\d+)", text)[1]), 5 + 10 + 1)

    def test_configurations_hold_options_that_there_are(self):
        for command in ("backend", "gateway"):
            done = subprocess.run([harness.BINARY, "check-config", command, "--config", str(DEPLOY / "galaxy-push" / (command + ".toml"))], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_three_servers_and_a_backend_run_by_them_on_tls(self):
        folder = self.enterContext(harness.folder())
        authority = Authority(folder)
        authority.issue("nats", ["nats-1", "nats-2", "nats-3", "localhost"])
        authority.issue("backend", ["backend-1", "localhost"])
        authority.issue("producer", uris=["galaxy:producer"])
        authority.issue("gateway", ["gw-1"])
        (folder / "roles.json").write_text(json.dumps({"roles": [{"role": "producer", "san": "galaxy:producer"}, {"role": "gateway", "san": "gw-1"}]}))
        ports = free_ports(9)
        servers = [self.server(folder, n, ports) for n in range(3)]
        for server in servers:
            server.start()
        for server in servers:
            harness.wait_for("%s is healthy\n%s" % (server.name, server.tail()), server.healthy)

        text = (DEPLOY / "galaxy-push" / "backend.toml").read_text().replace("/etc/galaxy-push/tls", str(folder)).replace("/etc/galaxy-push", str(folder))
        text = text.replace("0.0.0.0:7400", "127.0.0.1:0").replace("127.0.0.1:7401", "127.0.0.1:0")
        for n in range(3):
            text = text.replace("nats-%d:4222" % (n + 1), servers[n].client)
        (folder / "backend.toml").write_text(text)
        with harness.Process("backend", "--config", folder / "backend.toml") as backend:
            harness.wait_for("the backend is ready", backend.ready_now)
            context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
            context.load_cert_chain(folder / "producer.crt", folder / "producer.key")
            host, port = backend.listen.rsplit(":", 1)
            connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
            connection.request("POST", "/v1/events", '{"user_id":"u","kind":"k","payload":{}}', {"content-type": "application/json"})
            answer = connection.getresponse()
            self.assertEqual((answer.status, b'"cursor"' in answer.read()), (200, True))
            connection.request("POST", "/v1/invalidations", '{"user_id":"u"}', {"content-type": "application/json"})
            answer = connection.getresponse()
            self.assertEqual((answer.status, b'"cursor"' in answer.read()), (200, True))
            connection.close()
            # A subscription claims its id in the servers.
            seen = subprocess.run([harness.BINARY, "tail", "--backend", "localhost:" + port, "--id", "gw-1", "--since", "5m", "--count", "1", "--backend-ca", folder / "ca.crt",
                                   "--backend-cert", folder / "gateway.crt", "--backend-key", folder / "gateway.key"], capture_output=True, text=True, timeout=20)
            self.assertEqual(seen.returncode, 0, seen.stderr)
            self.assertGreater(backend.metric("galaxy_push_claims_made_total"), 0)
        self.assertEqual({s.streams()["galaxy-log"][2] >= 1 for s in servers}, {True})
        # A certificate of the CA is not enough: it must be a backend's. Without one nobody gets anywhere.
        known = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        known.load_cert_chain(folder / "backend.crt", folder / "backend.key")
        self.assertIn(b"PONG", ping(servers[0].client, known))
        self.assertNotIn(b"PONG", ping(servers[0].client, context))
        stranger = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        self.assertNotIn(b"PONG", ping(servers[0].client, stranger))
        # And a backend cannot take the log away.
        self.assertIn(b"Permissions Violation", ping(servers[0].client, known, b"SUB _INBOX.x 1\r\nPUB $JS.API.STREAM.DELETE.galaxy-log _INBOX.x 0\r\n\r\n"))

        said = [line for server in servers for line in server.tail(1 << 20).splitlines() if "Violation" in line]
        self.assertEqual([line for line in said if "STREAM.DELETE.galaxy-log" not in line], [], "a permission is missing")
        self.assertEqual(len(said), 1)

    def server(self, folder, n, ports):
        name = "nats-%d" % (n + 1)
        server = Server(name, folder / name, Loopback, ports[3 * n:3 * n + 3])
        self.addCleanup(server.end)
        text = (DEPLOY / "nats" / "nats-server.conf").read_text()
        text = text.replace("server_name: nats-1", "server_name: " + name).replace("/etc/galaxy-push/tls", str(folder)).replace("/var/lib/nats", str(server.store))
        text = text.replace("0.0.0.0:4222", server.client).replace("127.0.0.1:8222", server.monitor).replace("0.0.0.0:6222", "127.0.0.1:%d" % server.route_port)
        for m in range(3):
            text = text.replace("nats-%d:6222" % (m + 1), "127.0.0.1:%d" % ports[3 * m + 1])
        (server.folder / "nats.conf").write_text(text)
        return server


def ping(address, context, before=b""):
    """What a nats-server answers to a PING over TLS, and to what goes `before`, until it ends the connection or falls silent."""
    host, port = address.rsplit(":", 1)
    heard = b""
    with contextlib.suppress(OSError), contextlib.closing(socket.create_connection((host, int(port)), timeout=2)) as raw:
        while not heard.endswith(b"\r\n"):  # INFO comes in the clear
            heard += raw.recv(1)
        with context.wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\n' + before + b"PING\r\n")
            while b"PONG" not in heard or before:
                data = connection.recv(4096)
                if not data:
                    break
                heard += data
    return heard


if __name__ == "__main__":
    unittest.main()
