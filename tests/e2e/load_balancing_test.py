"""Gateways that share the users behind a real HAProxy and a real nginx, by the files of deploy/load-balancer/
(docs/load-balancing.md): semantics.md 4.11 and 7.7."""
import base64, json, os, pathlib, re, socket, ssl, subprocess, sys, time, unittest, zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grpc
import harness

edge = harness.messages("galaxy/gateway/v1/edge")
TRANSPORTS = {"ws": "wss", "ws-pb": "wss", "sse": "https", "sse-h2": "https", "grpc": "https"}
ORIGIN = "https://page.example"


def partition(user):
    return zlib.crc32(user.encode()) % 256


def users_of(low, high, count, name):
    """So many users whose partition lies there."""
    numbered = ("%s-%d" % (name, n) for n in range(10_000))
    return [user for user, _ in zip((u for u in numbered if low <= partition(u) <= high), range(count))]


def port_of(address):
    return address.rsplit(":", 1)[1]


def adapt(name, *replacements):
    """A file of deploy/load-balancer/ with other addresses and paths, all of which it must have."""
    text = (harness.ROOT / "deploy" / "load-balancer" / name).read_text()
    for old, new in replacements:
        text, count = re.subn(old, new, text, flags=re.M)
        if count == 0:
            raise AssertionError("%s has no %r" % (name, old))
    return text


class Proxy:
    """A process that serves on a socket of ours, so that its port is known and free."""

    def __init__(self, folder, name, text, command, environment=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        fd = self.socket.fileno()
        config = folder / name
        config.write_text(text(fd, self.address))
        self.log = open(folder / (name + ".log"), "w+b")
        self.process = subprocess.Popen([*command, str(config)], pass_fds=[fd], stdout=self.log, stderr=self.log,
                                        env=os.environ | {k: v % fd for k, v in (environment or {}).items()})

        # Nobody accepts unless it does.
        try:
            harness.wait_for("%s serves" % name, self._serves)
        except AssertionError:
            self.__exit__(AssertionError)
            raise

    def _serves(self):
        if self.process.poll() is not None:
            raise AssertionError("exited with %s" % self.process.returncode)
        with socket.create_connection(self.address.split(":"), timeout=harness.DEADLINE_S) as probe:
            probe.settimeout(0.2)
            probe.sendall(b"nonsense that is no TLS\r\n\r\n")
            try:
                probe.recv(1)
                return True
            except ConnectionError:
                return True
            except TimeoutError:
                return False

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.terminate()
        self.process.wait(20)
        self.socket.close()
        if kind is not None:
            self.log.seek(0)
            sys.stderr.write(self.log.read().decode(errors="replace")[-4000:])
        self.log.close()


class Plane(unittest.TestCase):
    """A backend and two gateways, each of half the partitions."""

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.ca = cls.folder / "ca"
        subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(cls.ca)], check=True, stdout=subprocess.DEVNULL)
        cls.tls = ssl.create_default_context(cafile=cls.ca / "ca.crt")
        cls.backend = cls.enterClassContext(harness.backend())

    @classmethod
    def start_gateway(cls, name, partitions, *arguments):
        gateway = harness.gateway(cls.backend.listen, cls.keys, cls.folder / name, "--partitions", partitions, "--trusted-proxies", "127.0.0.1",
                                  "--origins", ORIGIN, "--envelope-keys", cls.folder / "envelope.json", *arguments, id=name)
        cls.enterClassContext(gateway)
        harness.wait_for("%s is ready" % name, gateway.ready_now)
        return gateway

    @classmethod
    def make_envelope_keys(cls):
        subprocess.run([harness.BINARY, "keys", "envelope", "--out", str(cls.folder / "envelope.json")], check=True, stdout=subprocess.DEVNULL)

    def listen(self, user, transport, host=None, query=""):
        token = self.folder / ("%s-%s.token" % (transport, base64.urlsafe_b64encode(user.encode()).decode()))
        token.write_text(self.keys.token(user, "phone"))
        url = "%s://%s/%s" % (TRANSPORTS[transport], host or self.proxy.address, query)
        process = subprocess.Popen([harness.BINARY, "listen", "--url", url, "--ca", str(self.ca / "ca.crt"), "--transport", transport,
                                    "--token-file", str(token), "--count", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for clean in (process.stdout.close, process.stderr.close, process.wait, process.kill):
            self.addCleanup(clean)
        return process

    def until(self, process, text):
        said, end = [], time.monotonic() + harness.DEADLINE_S
        while text not in (line := process.stderr.readline()):
            said.append(line)
            if time.monotonic() > end:  # it tries again and again, and says so
                self.fail("it did not say %r: %s" % (text, said[-6:]))
            if not line and process.poll() is not None:
                self.fail("it ended with %s before it said %r: %s" % (process.returncode, text, said))
        return said

    def sessions(self, gateway, user):
        return harness.get(gateway.admin, "/v1/sessions?user=" + "".join("%%%02x" % b for b in user.encode())).json["total"]

    def expect_an_event(self, process, user):
        cursor = harness.publish(self.backend.listen, user_id=user)
        out, _ = process.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(json.loads(out)["cursor"], cursor)
        self.assertTrue(json.loads(out)["verified"])

    def refused(self, gateway, code):
        return gateway.metric("galaxy_push_edge_refused_total", 'code="%s"' % code) or 0

    def websocket(self, query="", fields="", hello=None):
        """The first frame that a WebSocket gets."""
        host, port = self.proxy.address.split(":")
        with socket.create_connection((host, int(port)), timeout=harness.DEADLINE_S) as plain, self.tls.wrap_socket(plain, server_hostname=host) as line:
            line.sendall(("GET /v1/events%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: galaxy.push.v1\r\n%s\r\n" % (query, host, fields)).encode())
            got = b""
            while b"\r\n\r\n" not in got:
                got += line.recv(65536)
            self.assertTrue(got.startswith(b"HTTP/1.1 101"), got)
            if hello is not None:
                body = json.dumps({"hello": {"token": hello}}).encode()
                line.sendall(b"\x81\xfe" + len(body).to_bytes(2, "big") + bytes(4) + body)  # masked by zeros
            got = got.split(b"\r\n\r\n", 1)[1]
            while not (found := re.search(rb'\{"(?:welcome|bye)":\{[^}]*\}\}', got)):
                more = line.recv(65536)
                self.assertTrue(more, "the connection ended: %r" % got)
                got += more
            return json.loads(found[0])


class Haproxy(Plane):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_envelope_keys()
        # They refuse, so that nobody gets anywhere but by HAProxy's own choice.
        cls.a = cls.start_gateway("a1", "0-127", "--proxy-protocol", "--heartbeat", "400ms")
        cls.b = cls.start_gateway("b1", "128-255", "--proxy-protocol", "--heartbeat", "400ms")
        pem = cls.folder / "push.pem"
        pem.write_text((cls.ca / "server.crt").read_text() + (cls.ca / "server.key").read_text())

        def config(fd, _):
            return adapt("haproxy.cfg", (r"bind :443", "bind fd@%d" % fd), (r"/etc/haproxy/push\.pem", str(pem)), (r"maxconn 100000", "maxconn 1000"),
                         (r"^ +server [ab]2 .*\n", ""), (r"check port 7411 inter 2s", "check inter 100ms"),
                         (r"timeout (client|server|tunnel) 90s", r"timeout \1 1500ms"),  # in the same relation to the heartbeat
                         (r"10\.0\.1\.11:7410", "%s port %s" % (cls.a.listen, port_of(cls.a.admin))),
                         (r"10\.0\.2\.11:7410", "%s port %s" % (cls.b.listen, port_of(cls.b.admin))))

        cls.proxy = cls.enterClassContext(Proxy(cls.folder, "haproxy.cfg", config, ["haproxy", "-db", "-f"]))

    def entries(self, gateway):
        """Without canaries; of one moment."""
        values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in harness.get(gateway.admin, "/metrics").text.splitlines() if line.startswith("galaxy_push_feed_")
                  and "{" not in line}
        return values["galaxy_push_feed_entries_total"] - values["galaxy_push_feed_canaries_total"]

    def connects(self, gateway):
        return sum(gateway.metric("galaxy_push_edge_connections_total", 'transport="%s"' % name) for name in ("websocket", "websocket-pb", "sse", "grpc"))

    def refused_in_all(self):
        return sum(self.refused(gateway, "wrong_partition") for gateway in (self.a, self.b))

    def gateways(self, user):
        """Its own, and the other."""
        return (self.a, self.b) if partition(user) < 128 else (self.b, self.a)

    def test_each_user_is_taken_to_the_gateway_of_the_partition_by_every_transport_4_11_7_7(self):
        entries = {gateway: self.entries(gateway) for gateway in (self.a, self.b)}
        for transport in TRANSPORTS:
            with self.subTest(transport):
                users = users_of(0, 127, 2, transport) + users_of(128, 255, 2, transport)
                before = self.refused_in_all()
                # `listen` shows a WebSocket's token in its first frame, as a browser does.
                hint = "?partition=%d" if transport.startswith("ws") else ""
                clients = [self.listen(user, transport, query=hint and hint % partition(user)) for user in users]
                for user, client in zip(users, clients):
                    self.until(client, "connected: fresh")
                    own, other = self.gateways(user)
                    self.assertEqual((self.sessions(own, user), self.sessions(other, user)), (1, 0), user)
                for user, client in zip(users, clients):
                    self.expect_an_event(client, user)
                self.assertEqual(self.refused_in_all(), before)
        # Each gateway was sent the events of its own users only, and the canaries.
        for gateway in (self.a, self.b):
            self.assertEqual(self.entries(gateway) - entries[gateway], 2 * len(TRANSPORTS))

    def test_a_quiet_stream_outlives_the_timeouts(self):
        user = users_of(0, 127, 1, "quiet")[0]
        clients = [self.listen(user, transport, query="?partition=%d" % partition(user)) for transport in TRANSPORTS]
        for client in clients:
            self.until(client, "connected: fresh")
        connects = self.connects(self.a)
        end = time.monotonic() + 4
        harness.wait_for("three timeouts are over", lambda: time.monotonic() > end)
        self.assertEqual(self.sessions(self.a, user), len(TRANSPORTS))
        self.assertEqual(self.connects(self.a), connects, "nobody had to come back")
        cursor = harness.publish(self.backend.listen, user_id=user)
        for client in clients:
            self.assertEqual(json.loads(client.communicate(timeout=harness.DEADLINE_S)[0])["cursor"], cursor)

    def test_a_browsers_websocket_is_routed_by_cookie_and_by_hint_7_7(self):
        for user in users_of(0, 127, 2, "browser") + users_of(128, 255, 2, "browser"):
            token = self.keys.token(user, "tab")
            frame = self.websocket(fields="Origin: %s\r\nCookie: __Host-galaxy=%s\r\n" % (ORIGIN, token))
            self.assertEqual(frame.get("welcome", frame).get("user"), user, frame)
            frame = self.websocket("?partition=%d" % partition(user), hello=token)
            self.assertEqual(frame.get("welcome", frame).get("user"), user, frame)

    def test_a_wrong_hint_is_told_never_silent_7_7(self):
        user = users_of(0, 127, 1, "lost")[0]
        before = self.refused(self.b, "wrong_partition")
        bye = self.websocket("?partition=200", hello=self.keys.token(user, "tab"))["bye"]
        self.assertEqual((bye["code"], bye["verdict"]), (4421, "resume"))
        self.assertIn("partition %d" % partition(user), bye["reason"])
        self.assertEqual(self.refused(self.b, "wrong_partition"), before + 1)

    def test_a_name_beyond_ascii_is_routed_when_the_token_has_it_as_utf8_4_11(self):
        for user in users_of(0, 127, 2, "Jürgen") + users_of(128, 255, 2, "Ζῆτα"):
            head = {"alg": self.keys.algorithm, "kid": self.keys.kid, "typ": "JWT"}
            text = ".".join(harness.b64u(json.dumps(part, ensure_ascii=False).encode()) for part in (head, self.keys.claims(user, "tab")))
            token = text + "." + harness.b64u(self.keys.key.sign(text.encode()))
            frame = self.websocket(fields="Authorization: Bearer %s\r\n" % token)
            self.assertEqual(frame.get("welcome", frame).get("user"), user, frame)

    def test_zz_a_gateway_that_is_not_ready_gets_nobody_new(self):
        ann, bob = users_of(0, 127, 1, "health")[0], users_of(128, 255, 1, "health")[0]
        stays = self.listen(bob, "sse")
        self.until(stays, "connected: fresh")
        # Another process takes its subscription: it serves on and is not ready (5.3).
        self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / "thief", "--partitions", "0-127", id="a1"))
        harness.wait_for("the gateway is not ready", lambda: not self.a.ready_now())

        def status(user):
            import http.client
            host, port = self.proxy.address.split(":")
            connection = http.client.HTTPSConnection(host, int(port), context=self.tls, timeout=harness.DEADLINE_S)
            connection.request("GET", "/v1/events", headers={"accept": "text/event-stream", "authorization": "Bearer " + self.keys.token(user, "phone")})
            answer = connection.getresponse()
            connection.close()
            return answer.status

        harness.wait_for("HAProxy asks for /readyz", lambda: status(ann) == 503)
        self.assertEqual(status(bob), 200)
        # Who has not said who it is is taken to one that is there.
        self.assertEqual(self.websocket(hello=self.keys.token(bob, "tab"))["welcome"]["user"], bob)
        self.expect_an_event(stays, bob)


class Nginx(Plane):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_envelope_keys()
        pid, errors = cls.folder / "nginx.pid", cls.folder / "nginx.errors"
        cls.b = cls.start_gateway("b1", "128-255")

        def config(_, address):
            cls.a = cls.start_gateway("a1", "0-127", "--foreign-partition", "redirect",
                                      "--partition-urls", "128-255=https://localhost:" + port_of(address))
            return adapt("nginx.conf", (r"listen 443 ", "listen %s " % address), (r"/etc/nginx/push\.crt", str(cls.ca / "server.crt")),
                         (r"/etc/nginx/push\.key", str(cls.ca / "server.key")), (r"/run/nginx-push\.pid", str(pid)),
                         (r"/var/log/nginx/push-error\.log", str(errors)), (r"^ +server 10\.0\.[12]\.12.*\n", ""), (r"worker_processes auto", "worker_processes 1"),
                         (r"worker_connections 100000", "worker_connections 1000"), (r"worker_rlimit_nofile 200000", "worker_rlimit_nofile 4096"),
                         (r"b\.push\.example   gateways_b", "localhost gateways_b"),
                         (r"10\.0\.1\.11:7410", cls.a.listen), (r"10\.0\.2\.11:7410", cls.b.listen))

        cls.proxy = cls.enterClassContext(Proxy(cls.folder, "nginx.conf", config, ["nginx", "-e", str(errors), "-g", "daemon off;", "-c"], {"NGINX": "%d;"}))

    def test_a_right_hint_leads_to_the_gateway_of_the_partition_7_7(self):
        before = self.refused(self.a, "redirected"), self.refused(self.b, "wrong_partition")
        for transport in ("ws", "sse"):
            users = users_of(0, 127, 2, transport) + users_of(128, 255, 2, transport)
            clients = [self.listen(user, transport, query="?partition=%d" % partition(user)) for user in users]
            for user, client in zip(users, clients):
                self.until(client, "connected: fresh")
                self.assertEqual(self.sessions(self.a if partition(user) < 128 else self.b, user), 1)
                self.expect_an_event(client, user)
        self.assertEqual((self.refused(self.a, "redirected"), self.refused(self.b, "wrong_partition")), before)

    def test_a_wrong_hint_is_redirected_and_followed_7_7(self):
        for transport in ("ws", "ws-pb", "sse"):
            with self.subTest(transport):
                user, before = users_of(128, 255, 1, "wrong-" + transport)[0], self.refused(self.a, "redirected")
                client = self.listen(user, transport, query="?partition=5")
                self.assertIn("redirected", "".join(self.until(client, "connected: fresh")))
                self.assertEqual((self.sessions(self.a, user), self.sessions(self.b, user)), (0, 1))
                self.assertEqual(self.refused(self.a, "redirected"), before + 1)
                self.expect_an_event(client, user)

    def test_grpc_is_routed_by_metadata_and_told_where_to_go_7_7(self):
        user = users_of(128, 255, 1, "grpc")[0]
        credentials = grpc.ssl_channel_credentials((self.ca / "ca.crt").read_bytes())
        with grpc.secure_channel(self.proxy.address, credentials) as channel:
            method = channel.unary_stream("/galaxy.gateway.v1.Edge/Subscribe", edge.SubscribeRequest.SerializeToString, edge.Frame.FromString)
            token = ("authorization", "Bearer " + self.keys.token(user, "phone"))
            for _ in range(8):  # never to the other one
                right = method(edge.SubscribeRequest(), metadata=(token, ("push-partition", str(partition(user)))), timeout=harness.DEADLINE_S)
                self.assertEqual(next(right).welcome.user, user)
                right.cancel()
            wrong = method(edge.SubscribeRequest(), metadata=(token, ("push-partition", "0")), timeout=harness.DEADLINE_S)
            with self.assertRaises(grpc.RpcError) as ended:
                next(wrong)
            trailers = dict(ended.exception.trailing_metadata())
            self.assertEqual(ended.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(trailers["push-code"], "4307")
            self.assertEqual(trailers["push-url"], "https://localhost:" + port_of(self.proxy.address))


del Plane
if __name__ == "__main__":
    unittest.main()
