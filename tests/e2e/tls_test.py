"""A plane on TLS with roles, by real processes and by peers that are not ours: semantics.md 5.3, 8.1, 10.1."""
import http.client, json, pathlib, ssl, subprocess, sys, time, unittest, urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import grpc
import harness

push = harness.messages("galaxy/backend/push/v1/push")
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class TlsPlane(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.ca = cls.folder / "ca"
        subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(cls.ca), "--gateways", "gw-1,gw-2"], check=True)
        issuers = cls.folder / "issuers.json"
        issuers.write_text(json.dumps({"issuers": [{"issuer": cls.keys.ISSUER, "audience": cls.keys.AUDIENCE, "jwks": str(cls.keys.jwks)}]}))
        cls.backend = cls.enterClassContext(harness.backend(*cls.server(), "--tls-ca", cls.ca / "ca.crt", "--roles", cls.ca / "roles.json", "--issuers", issuers))
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys, cls.folder / "gw-1", *cls.server(), *cls.shows("gw-1")))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)

    @classmethod
    def server(cls):
        return ["--tls-cert", cls.ca / "server.crt", "--tls-key", cls.ca / "server.key"]

    @classmethod
    def shows(cls, name):
        return ["--backend-ca", cls.ca / "ca.crt", "--backend-cert", cls.ca / (name + ".crt"), "--backend-key", cls.ca / (name + ".key")]

    def run_tool(self, *arguments):
        return subprocess.run([harness.BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=30)

    def publish(self, role, user="ann"):
        shows = self.shows(role) if role else ["--backend-ca", self.ca / "ca.crt"]
        return self.run_tool("publish", "--backend", self.backend.listen, *shows, "--user", user, "--kind", "k")

    def request(self, method, path, body=None, headers=None, role=None):
        context = ssl.create_default_context(cafile=self.ca / "ca.crt")
        if role:
            context.load_cert_chain(self.ca / (role + ".crt"), self.ca / (role + ".key"))
        host, port = self.backend.listen.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        connection.request(method, path, body, headers or {})
        with connection.getresponse() as answer:
            result = answer.status, answer.read().decode()
        connection.close()
        return result

    def listen(self, session, *arguments):
        token = self.folder / ("%s.token" % session)
        token.write_text(self.keys.token("ann", session))
        process = subprocess.Popen([harness.BINARY, "listen", "--url", "wss://" + self.gateway.listen, "--ca", str(self.ca / "ca.crt"),
                                    "--token-file", str(token), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while "connected: fresh" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        return process

    def test_an_event_travels_over_tls_and_verifies(self):
        client = self.listen("phone", "--count", "1")
        self.assertEqual(self.publish("producer").returncode, 0)
        out, _ = client.communicate(timeout=20)
        self.assertTrue(json.loads(out)["verified"])

    def test_a_role_is_needed_and_the_right_one_10_1(self):
        self.assertIn("needs a client certificate or a bearer key", self.publish(None).stderr)
        self.assertIn("has no role that may do this", self.publish("gw-1").stderr)
        event = json.dumps({"user_id": "ann", "kind": "k", "payload": {}})
        json_type = {"content-type": "application/json"}
        self.assertEqual(self.request("POST", "/v1/events", event, json_type)[0], 401)
        self.assertEqual(self.request("POST", "/v1/events", event, json_type, role="gw-1")[0], 403)
        self.assertEqual(self.request("POST", "/v1/events", event, json_type, role="producer")[0], 200)
        self.assertEqual(self.request("POST", "/v1/events", event, json_type, role="operator")[0], 200)

    def test_grpcio_subscribes_under_the_name_of_its_certificate_only_5_3(self):
        read = lambda name: (self.ca / name).read_bytes()
        credentials = grpc.ssl_channel_credentials(read("ca.crt"), read("gw-2.key"), read("gw-2.crt"))
        with grpc.secure_channel(self.backend.listen, credentials) as channel:
            subscribe = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush",
                                             request_serializer=lambda m: m.SerializeToString(),
                                             response_deserializer=push.PushEvent.FromString)
            stream = subscribe(push.GatewaySubscribeRequest(gateway_client_id="gw-2"), timeout=20)
            self.assertEqual(dict(stream.initial_metadata())["push-resume"], "fresh")
            stream.cancel()
            with self.assertRaises(grpc.RpcError) as refused:
                next(subscribe(push.GatewaySubscribeRequest(gateway_client_id="gw-1"), timeout=20))
            self.assertEqual(refused.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
            self.assertIn("gateway_client_id", refused.exception.details())
        self.assertTrue(self.gateway.ready_now())

    def test_plaintext_and_strangers_get_nothing(self):
        with self.assertRaises((OSError, http.client.HTTPException)):
            harness.get(self.backend.listen, "/v1/events")
        with self.assertRaises(ssl.SSLCertVerificationError):
            host, port = self.backend.listen.rsplit(":", 1)
            http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context()).request("GET", "/")
        refused = self.run_tool("publish", "--backend", self.backend.listen, "--backend-ca", "system", "--user", "ann", "--kind", "k")
        self.assertIn("TLS", refused.stderr)

    def test_tls_1_1_is_not_spoken(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        host, port = self.backend.listen.rsplit(":", 1)
        with self.assertRaises(ssl.SSLError):
            http.client.HTTPSConnection(host, int(port), context=context).request("GET", "/")

    def test_a_back_channel_logout_ends_the_session_8_1(self):
        client = self.listen("tablet")
        now = int(time.time())
        token = self.keys.sign({"alg": self.keys.algorithm, "kid": self.keys.kid, "typ": "logout+jwt"},
                               {"iss": self.keys.ISSUER, "aud": self.keys.AUDIENCE, "iat": now, "exp": now + 60, "jti": "logout-1",
                                "sub": "ann", "sid": "tablet", "events": {LOGOUT: {}}})
        form = urllib.parse.urlencode({"logout_token": token})
        form_type = {"content-type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.request("POST", "/v1/backchannel-logout", form, form_type), (200, ""))
        _, err = client.communicate(timeout=20)
        self.assertEqual(client.returncode, 4, err)  # verdict never
        self.assertIn("logout", err)
        self.assertEqual(self.backend.metric("galaxy_push_revocation_accepted_total", 'standard="backchannel_logout"'), 1)


if __name__ == "__main__":
    unittest.main()
