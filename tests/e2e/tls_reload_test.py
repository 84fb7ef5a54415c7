"""Certificates, keys, CAs and roles are renewed while a plane runs, and what is connected stays: semantics.md 10.1.

A role that is taken away ends what is open; the application behind a gateway is on TLS, too.
"""
import http.client, http.server, json, os, pathlib, shutil, ssl, subprocess, sys, threading, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grpc
import harness

push = harness.messages("galaxy/backend/push/v1/push")
publish = harness.messages("galaxy/backend/publish/v1/publish")


def dev_ca(folder, gateways="gw-1,gw-2"):
    subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(folder), "--gateways", gateways], check=True)
    return folder


def replace(path, text):
    """As whoever renews does it: by a rename."""
    new = path.with_suffix(".new")
    new.write_bytes(text)
    os.replace(new, path)


class Renewal(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.old, self.new = dev_ca(self.folder / "old"), dev_ca(self.folder / "new")
        self.live = self.folder / "live"
        shutil.copytree(self.old, self.live)
        server = ["--tls-cert", self.live / "server.crt", "--tls-key", self.live / "server.key"]
        admin = ["--admin-tls-cert", self.live / "server.crt", "--admin-tls-key", self.live / "server.key", "--admin-tls-ca", self.live / "ca.crt",
                 "--roles", self.live / "roles.json", "--reload", "100ms"]
        self.backend = self.enterContext(harness.backend(*server, "--tls-ca", self.live / "ca.crt", *admin))
        self.gateway = self.enterContext(harness.gateway(
            self.backend.listen, self.keys, self.folder / "gw-1", *server, *admin, "--backoff", "10ms", "--backend-ca", self.live / "ca.crt",
            "--backend-cert", self.live / "gw-1.crt", "--backend-key", self.live / "gw-1.key"))
        harness.wait_for("the gateway is ready", lambda: self.ask(self.gateway.admin, "/readyz", self.old)[0] == 200)

    def context(self, ca, role=None):
        context = ssl.create_default_context(cafile=ca / "ca.crt")
        if role:
            context.load_cert_chain(ca / (role + ".crt"), ca / (role + ".key"))
        return context

    def ask(self, address, path, ca, role=None, connection=None):
        connection = connection or self.connect(address, ca, role)
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode()

    def connect(self, address, ca, role=None):
        host, port = address.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), context=self.context(ca, role), timeout=10)
        self.addCleanup(connection.close)
        connection.connect()
        return connection

    def trusted(self, address, ca, role=None):
        try:
            return self.ask(address, "/livez", ca, role)[0] > 0
        except ssl.SSLError:
            return False

    def subscribe(self, ca, role, id):
        read = lambda name: (ca / name).read_bytes()
        channel = grpc.secure_channel(self.backend.listen, grpc.ssl_channel_credentials(read("ca.crt"), read(role + ".key"), read(role + ".crt")))
        self.addCleanup(channel.close)
        call = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush", request_serializer=lambda m: m.SerializeToString(),
                                    response_deserializer=push.PushEvent.FromString)
        stream = call(push.GatewaySubscribeRequest(gateway_client_id=id), timeout=60)
        stream.initial_metadata()
        return stream

    def subscriptions(self, ca):
        status, text = self.ask(self.backend.admin, "/v1/subscriptions", ca, "operator")
        self.assertEqual(status, 200)
        return {row["gateway_client_id"]: row["generation"] for row in json.loads(text)["subscriptions"]}

    def test_everything_is_renewed_and_no_connection_is_lost_10_1(self):
        stream = self.subscribe(self.old, "gw-2", "gw-2")
        generations = self.subscriptions(self.old)
        kept = {address: self.connect(address, self.old, "operator") for address in (self.backend.admin, self.gateway.admin)}
        # The CA first, both of them for a while; then what it signs.
        both = (self.old / "ca.crt").read_bytes() + (self.new / "ca.crt").read_bytes()
        replace(self.live / "ca.crt", both)
        for address in (self.backend.admin, self.gateway.admin):
            harness.wait_for("a client of the new CA is believed", lambda: self.operator_of_the_new_ca(address))
        for name in ("server", "gw-1"):
            for kind in (".key", ".crt"):
                replace(self.live / (name + kind), (self.new / (name + kind)).read_bytes())
        for address in (self.backend.listen, self.backend.admin, self.gateway.listen, self.gateway.admin):
            harness.wait_for("the new certificate is shown at " + address, lambda: self.trusted(address, self.new))
            self.assertFalse(self.trusted(address, self.old))
        replace(self.live / "ca.crt", (self.new / "ca.crt").read_bytes())
        harness.wait_for("the old CA is not believed any more", lambda: not self.old_operator_is_let_in())
        # Who was connected is, on the same connections.
        for address, connection in kept.items():
            self.assertEqual(self.ask(address, "/v1/subscriptions" if address == self.backend.admin else "/v1/sessions?user=a", None, connection=connection)[0], 200)
        self.assertEqual(self.subscriptions(self.new), generations)
        self.assertTrue(stream.is_active())
        # And a gateway that has to come back shows the new certificate.
        stream.cancel()
        replacement = self.subscribe(self.new, "gw-1", "gw-1")  # displaces it
        replacement.cancel()
        self.assertTrue(int(self.subscriptions(self.new).get("gw-1", 0)) != int(generations["gw-1"]))

    def operator_of_the_new_ca(self, address):
        """The server still shows the old certificate; the client proves to be of the new CA."""
        context = ssl.create_default_context(cafile=self.old / "ca.crt")
        context.load_cert_chain(self.new / "operator.crt", self.new / "operator.key")
        host, port = address.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        try:
            connection.request("GET", "/v1/subscriptions" if address == self.backend.admin else "/v1/sessions?user=a")
            return connection.getresponse().status == 200
        except (ssl.SSLError, OSError):
            return False
        finally:
            connection.close()

    def old_operator_is_let_in(self):
        context = ssl.create_default_context(cafile=self.new / "ca.crt")
        context.load_cert_chain(self.old / "operator.crt", self.old / "operator.key")
        host, port = self.backend.admin.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        try:
            connection.request("GET", "/v1/subscriptions")
            return connection.getresponse().status == 200
        except (ssl.SSLError, OSError):
            return False
        finally:
            connection.close()

    def test_a_role_that_is_taken_away_ends_its_streams_10_1(self):
        gone, stays = self.subscribe(self.old, "gw-2", "gw-2"), self.subscribe(self.old, "operator", "tail-1")
        read = lambda name: (self.old / name).read_bytes()
        channel = grpc.secure_channel(self.backend.listen, grpc.ssl_channel_credentials(read("ca.crt"), read("producer.key"), read("producer.crt")))
        self.addCleanup(channel.close)
        call = channel.stream_stream("/galaxy.backend.publish.v1.Publisher/PublishStream", request_serializer=lambda m: m.SerializeToString(),
                                     response_deserializer=publish.PublishResult.FromString)
        end = threading.Event()
        self.addCleanup(end.set)
        producer = call(iter(end.wait, True), timeout=60)
        producer.initial_metadata()
        roles = json.loads((self.live / "roles.json").read_text())
        roles["roles"] = [entry for entry in roles["roles"] if entry["san"] not in ("gw-2", "galaxy:producer")]
        replace(self.live / "roles.json", json.dumps(roles).encode())
        for stream in (gone, producer):
            with self.assertRaises(grpc.RpcError) as ended:
                for _ in stream:
                    pass
            self.assertEqual(ended.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertTrue(stays.is_active())
        self.assertEqual(set(self.subscriptions(self.old)), {"gw-1", "tail-1"})
        with self.assertRaises(grpc.RpcError) as refused:
            next(self.subscribe(self.old, "gw-2", "gw-2"))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        names = [name for kind, name in (self.connection.getpeercert() or {}).get("subjectAltName", ())]
        body = json.dumps({"shown": names, "user": self.headers["x-galaxy-user-id"], "connection": id(self.connection)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ca, verify):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(ca / "server.crt", ca / "server.key")
        self.context.load_verify_locations(ca / "ca.crt")
        self.context.verify_mode = verify
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, address):
        try:
            super().finish_request(self.context.wrap_socket(request, server_side=True), address)
        except OSError:  # the handshake failed
            pass

    def handle_error(self, *_):
        pass


class ApplicationOnTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.ca, cls.other = dev_ca(cls.folder / "ca"), dev_ca(cls.folder / "other")
        cls.backend = cls.enterClassContext(harness.backend())

    def application(self, verify=ssl.CERT_NONE):
        server = Server(self.ca, verify)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def gateway(self, port, *arguments, host="127.0.0.1"):
        data = self.folder / ("gw-%d" % port)
        gateway = self.enterContext(harness.gateway(self.backend.listen, self.keys, data, "--app", "https://%s:%d" % (host, port), "--reload", "100ms", *arguments))
        harness.wait_for("the gateway is ready", gateway.ready_now)
        return gateway

    def get(self, gateway):
        return harness.get(gateway.listen, "/api/a", {"authorization": "Bearer " + self.keys.token("ann", "phone")})

    def test_requests_go_on_over_tls_on_kept_connections_10_1(self):
        gateway = self.gateway(self.application(), "--app-ca", self.ca / "ca.crt")
        first, second = self.get(gateway).json, self.get(gateway).json
        self.assertEqual((first["user"], first["shown"]), ("ann", []))
        self.assertEqual(first["connection"], second["connection"])

    def test_an_application_of_another_ca_or_name_is_not_spoken_to_10_1(self):
        port = self.application()
        self.assertEqual(self.get(self.gateway(port, "--app-ca", self.other / "ca.crt")).status, 502)
        port = self.application()
        self.assertEqual(self.get(self.gateway(port, "--app-ca", self.ca / "ca.crt", "--app-name", "app.example")).status, 502)
        port = self.application()
        self.assertEqual(self.get(self.gateway(port)).status, 502)  # the system's roots

    def test_the_gateway_shows_its_certificate_and_without_one_is_refused_10_1(self):
        port = self.application(ssl.CERT_REQUIRED)
        shows = ["--app-cert", self.ca / "gw-1.crt", "--app-key", self.ca / "gw-1.key"]
        self.assertEqual(self.get(self.gateway(port, "--app-ca", self.ca / "ca.crt", *shows)).json["shown"], ["gw-1"])
        port = self.application(ssl.CERT_REQUIRED)
        self.assertEqual(self.get(self.gateway(port, "--app-ca", self.ca / "ca.crt")).status, 502)

    def test_the_ca_of_the_application_is_renewed_without_a_restart_10_1(self):
        ca = self.folder / "app-ca.crt"
        ca.write_bytes((self.other / "ca.crt").read_bytes())
        gateway = self.gateway(self.application(), "--app-ca", ca)
        self.assertEqual(self.get(gateway).status, 502)
        replace(ca, (self.ca / "ca.crt").read_bytes())
        harness.wait_for("the application is believed", lambda: self.get(gateway).status == 200)

    def test_options_that_do_not_fit_are_named(self):
        for arguments, wanted in ((["--app", "http://127.0.0.1:1", "--app-ca", "x"], "need https://"), (["--app", "https://127.0.0.1:1", "--app-cert", "x"], "option app-key is missing"),
                                  (["--app", "ftp://127.0.0.1:1"], "is not http:// or https://HOST:PORT")):
            with self.assertRaisesRegex(AssertionError, wanted):
                harness.gateway(self.backend.listen, self.keys, self.folder / "gw-x", *arguments)


if __name__ == "__main__":
    unittest.main()
