"""Bad input from outside, through the real doors: each gets its documented refusal, and nothing else is affected.

semantics.md 2.3, 10.2; edge-protocol.md. Every test ends by proving that a well-behaved neighbour still works.
"""
import base64, hashlib, hmac, json, pathlib, socket, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import grpc

publish_pb, push_pb = harness.messages("galaxy/backend/publish/v1/publish", "galaxy/backend/push/v1/push")


class PublishRefusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.enterClassContext(harness.backend())

    def tearDown(self):
        self.assertRegex(harness.publish(self.backend.listen, user_id="neighbour"), r"^[0-9a-f]{16}-[0-9a-f]{12}$")

    def refused(self, status, field, body, content_type="application/json", path="/v1/events"):
        answer = harness.post(self.backend.listen, path, body, content_type)
        self.assertEqual(answer.status, status, answer.text)
        if field is not None:
            error = answer.json["error"]
            self.assertEqual(error["field"], field, error)
            self.assertTrue(error["message"])
        return answer

    def event(self, **over):
        event = {"user_id": "u", "kind": "k", "payload": {}} | over
        return {key: value for key, value in event.items() if value is not None}

    def test_members_that_are_missing_or_wrong_2_3(self):
        deep = '{"a":' * 70 + "1" + "}" * 70
        cases = [
            ("user_id", self.event(user_id=None)), ("user_id", self.event(user_id="")), ("user_id", self.event(user_id=7)),
            ("user_id", self.event(user_id="x" * 257)), ("user_id", self.event(user_id="galaxy:canary")),
            ("user_id", self.event(user_id="a\r\nb")), ("user_id", self.event(user_id="a\u0000b")), ("user_id", self.event(user_id="a\u0085b")),
            ("device_session_id", self.event(device_session_id="s\ndata: injected")), ("event_id", self.event(event_id="e\r")),
            ("request_id", self.event(request_id="x" * 257)), ("trace_id", self.event(trace_id="\t")),
            ("kind", self.event(kind="x" * 257)), ("kind", self.event(kind="a\nb")), ("kind", self.event(kind="")),
            ("payload", self.event(payload=None)), ("payload", self.event(payload="text")), ("payload", self.event(payload=[1])),
            ("payload", self.event(payload={"x": "y" * 65536})),
            ("payload", '{"user_id":"u","kind":"k","payload":%s}' % deep),
            ("device_sesion_id", self.event(device_sesion_id="s")),
            ("user_id", '{"user_id":"u","user_id":"v","kind":"k","payload":{}}'),
            ("user_id", '{"user_id":"u","us\\u0065r_id":"v","kind":"k","payload":{}}'),
        ]
        for field, body in cases:
            with self.subTest(field=field, body=str(body)[:60]):
                self.refused(400, field, body)

    def test_what_is_not_json(self):
        for body in (b"", b"{", b'{"user_id":"u"', b"nonsense", b'{"user_id":"\xff","kind":"k","payload":{}}', b'\xef\xbb\xbf{}',
                     b'{"user_id":"u","kind":"k","payload":{"a":01}}', b'{"user_id":"u","kind":"k","payload":{"a":"\xed\xa0\x80"}}',
                     b'{"user_id":"\\ud800","kind":"k","payload":{}}', b'{"user_id":"u","kind":"k","payload":{}} x', b"[" * 100000, b"7"):
            with self.subTest(body[:40]):
                self.refused(400, None, body)

    def test_other_content_types_are_415(self):
        for content_type in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
            self.refused(415, None, b"{}", content_type)

    def test_a_body_over_16_mib_is_413(self):
        # A client that waits for "100 Continue" is told before it has sent a byte of it.
        host, port = self.backend.listen.rsplit(":", 1)
        with socket.create_connection((host, int(port)), 10) as s:
            s.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (17 << 20))
            self.assertIn(b"HTTP/1.1 413 ", s.recv(65536))

    def test_a_body_that_begins_with_white_space_is_a_body(self):
        self.assertEqual(harness.post(self.backend.listen, "/v1/events", b" \t\r\n " + json.dumps(self.event()).encode()).status, 200)

    def test_a_batch_over_10000_entries_is_refused_whole(self):
        answer = harness.post(self.backend.listen, "/v1/events", json.dumps([self.event()] * 10001))
        self.assertIn(answer.status, (400, 413))
        self.assertIn("10000", answer.text.replace(",", ""))

    def test_a_bad_entry_of_a_batch_harms_no_other_2_3(self):
        batch = [self.event(event_id="b-%d" % n) for n in range(5)]
        batch[2]["user_id"] = ""
        for body, content_type in ((json.dumps(batch), "application/json"), ("\n".join(map(json.dumps, batch)), "application/x-ndjson")):
            answer = harness.post(self.backend.listen, "/v1/events", body, content_type)
            self.assertEqual(answer.status, 200)
            results = answer.json if content_type == "application/json" else answer.lines
            self.assertEqual([("error" in r) for r in results], [False, False, True, False, False])
            self.assertEqual(results[2]["error"]["field"], "user_id")

    def test_a_broken_ndjson_line_harms_no_other(self):
        body = json.dumps(self.event()) + "\n{broken\n" + json.dumps(self.event())
        answer = harness.post(self.backend.listen, "/v1/events", body, "application/x-ndjson")
        self.assertEqual(["error" in r for r in answer.lines], [False, True, False])

    def test_the_same_key_with_other_content_is_409_2_2(self):
        first = harness.post(self.backend.listen, "/v1/events", self.event(event_id="same", payload={"a": 1}))
        again = harness.post(self.backend.listen, "/v1/events", self.event(event_id="same", payload={"a": 1}))
        self.assertEqual((again.status, again.json["cursor"], again.json["duplicate"]), (200, first.json["cursor"], True))
        self.refused(409, "event_id", self.event(event_id="same", payload={"a": 2}))
        self.refused(409, "event_id", self.event(event_id="same", payload={"a": 1}, kind="other"))

    def test_invalidations_are_checked_alike(self):
        for field, body in (("user_id", {"device_session_id": "s"}), ("reason", {"user_id": "u", "reason": "a\nb"}),
                            ("user_id", {"user_id": "galaxy:canary"}), ("session", {"user_id": "u", "session": "s"}),
                            ("reason", {"user_id": "u", "reason": "x" * 257})):
            with self.subTest(field):
                self.refused(400, field, body, path="/v1/invalidations")

    def test_the_catalog_of_kinds_and_their_schemas_is_kept_2_3(self):
        with harness.folder() as folder:
            (folder / "catalog.json").write_text(json.dumps({"kinds": {
                "game.turn.ready": {"schema": {"type": "object", "required": ["turn"], "properties": {"turn": {"type": "integer"}}}}, "game.chat.message": {}}}))
            with harness.backend("--catalog", folder / "catalog.json") as backend:
                for kind, payload, status, field in (("game.turn.ready", {"turn": 7}, 200, None), ("game.chat.message", {}, 200, None),
                                                     ("game.turn.reday", {"turn": 7}, 400, "kind"), ("game.turn.ready", {"turn": "7"}, 400, "payload"),
                                                     ("game.turn.ready", {}, 400, "payload")):
                    answer = harness.post(backend.listen, "/v1/events", self.event(kind=kind, payload=payload))
                    self.assertEqual((answer.status, answer.json.get("error", {}).get("field")), (status, field), answer.text)
            (folder / "broken.json").write_text('{"kinds": {"k": {"schema": {"pattern": "(a*)*"}}}}')
            with self.assertRaisesRegex(AssertionError, "pattern"):
                harness.backend("--catalog", folder / "broken.json")

    def test_unknown_paths_and_methods(self):
        self.assertEqual(harness.get(self.backend.listen, "/nothing").status, 404)
        answer = harness.request("DELETE", self.backend.listen, "/v1/events")
        self.assertEqual(answer.status, 405)
        self.assertIn("POST", answer.headers["allow"])

    def test_grpc_refuses_per_entry_and_per_message(self):
        channel = grpc.insecure_channel(self.backend.listen)
        self.addCleanup(channel.close)
        call = channel.unary_unary("/galaxy.backend.publish.v1.Publisher/Publish", publish_pb.PublishRequest.SerializeToString, publish_pb.PublishResponse.FromString)
        bad = [dict(user_id="", kind="k", payload=b"{}"), dict(user_id="u", kind="k", payload=b"[]"), dict(user_id="u", kind="k", payload=b'{"a":"\xff"}'),
               dict(user_id="u\n", kind="k", payload=b"{}"), dict(user_id="u", kind="k", payload=b"{} ")]
        answer = call(publish_pb.PublishRequest(events=[push_pb.ClientEvent(**e) for e in bad]))
        self.assertEqual([r.error.field for r in answer.results], ["user_id", "payload", "payload", "user_id", ""])
        raw = channel.unary_unary("/galaxy.backend.publish.v1.Publisher/Publish", lambda b: b, lambda b: b)
        for body, codes in ((b"\x0a\xff", (grpc.StatusCode.INVALID_ARGUMENT,)), (b"\x0a" + b"\x05\x0a\x03\xff\xfe\xfd", (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OK)),
                            (b"x" * (18 << 20), (grpc.StatusCode.RESOURCE_EXHAUSTED,))):
            try:
                raw(body)
                code = grpc.StatusCode.OK
            except grpc.RpcError as error:
                code = error.code()
            self.assertIn(code, codes)

    def test_bytes_that_are_no_protocol_at_all(self):
        host, port = self.backend.listen.rsplit(":", 1)
        for junk in (b"\x00" * 64, b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200, b"PRI * XXXX\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
                     b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"):
            with self.subTest(junk[:20]), socket.create_connection((host, int(port)), 10) as s:
                s.sendall(junk)
                s.settimeout(15)
                try:
                    while s.recv(65536):
                        pass
                except ConnectionResetError:
                    pass


class TokenRefusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = {a: harness.Keys(cls.folder, a) for a in ("EdDSA", "ES256", "RS256")}
        both = {"keys": [k.public_jwk() for k in cls.keys.values()]}
        cls.keys["EdDSA"].jwks.write_text(json.dumps(both))
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys["EdDSA"], cls.folder / "gw"))
        harness.wait_for("ready", cls.gateway.ready_now)

    def connect(self, token, **headers):
        """Opens an SSE connection, returns its status and, when it is 200, nothing of the body."""
        host, port = self.gateway.listen.rsplit(":", 1)
        connection = harness.http.client.HTTPConnection(host, int(port), timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events", headers={"accept": "text/event-stream", "authorization": "Bearer " + token} | headers)
        answer = connection.getresponse()
        return answer.status, (json.loads(answer.read()) if answer.status != 200 else None)

    def tearDown(self):
        self.assertEqual(self.connect(self.keys["EdDSA"].token("neighbour", "s"))[0], 200)

    def test_every_algorithm_that_is_promised_is_accepted(self):
        for algorithm, keys in self.keys.items():
            with self.subTest(algorithm):
                self.assertEqual(self.connect(keys.token("u", "s"))[0], 200)

    def test_claims_that_do_not_hold(self):
        k, now = self.keys["EdDSA"], int(time.time())
        cases = {
            "expired": k.token("u", "s", exp=now - 60), "wrong aud": k.token("u", "s", aud="other"), "aud missing": k.token("u", "s", aud=None),
            "wrong iss": k.token("u", "s", iss="https://evil.example"), "future iat": k.token("u", "s", iat=now + 600), "future nbf": k.token("u", "s", nbf=now + 600),
            "no exp": k.token("u", "s", exp=None), "no sub": k.token(None, "s"), "no sid": k.token("u", None), "empty sid": k.token("u", ""),
            "reserved sub": k.token("galaxy:canary", "s"), "control character": k.token("u\n", "s"), "lives too long": k.token("u", "s", exp=now + 90 * 86400),
            "exp is text": k.token("u", "s", exp="soon"), "sub is a number": k.token(7, "s"),
        }
        for name, token in cases.items():
            with self.subTest(name):
                status, problem = self.connect(token)
                self.assertEqual((status, problem["verdict"]), (401, "reauthenticate"))
                self.assertEqual(problem["code"], "token_expired" if name == "expired" else "unauthenticated")

    def test_signatures_that_prove_nothing(self):
        k = self.keys["EdDSA"]
        good = k.token("u", "s")
        head, body, signature = good.split(".")
        none = harness.b64u(b'{"alg":"none"}') + "." + body + "."
        rsa = self.keys["RS256"]
        from cryptography.hazmat.primitives import serialization
        pem = rsa.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        text = harness.b64u(json.dumps({"alg": "HS256", "kid": rsa.kid}).encode()) + "." + body
        confused = text + "." + harness.b64u(hmac.new(pem, text.encode(), hashlib.sha256).digest())
        with harness.folder() as elsewhere:
            foreign = harness.Keys(elsewhere, "EdDSA").token("u", "s")
        cases = {
            "alg none": none, "HS256 with the public key": confused, "another key under our kid": foreign,
            "signature cut": head + "." + body + "." + signature[:-4], "signature missing": head + "." + body + ".",
            "body altered": head + "." + harness.b64u(json.dumps(k.claims("admin", "s")).encode()) + "." + signature,
            "unknown kid": k.token("u", "s", header={"kid": "nobody"}), "unknown crit": k.token("u", "s", header={"crit": ["x"], "x": 1}),
            "alg of another key": k.token("u", "s", header={"alg": "ES256"}), "five parts": good + ".a.b", "empty": "", "junk": "\x7f" * 20,
            "huge": "a" * 20000,
        }
        for name, token in cases.items():
            with self.subTest(name):
                if name in ("huge", "junk"):  # already HTTP refuses these
                    self.assertIn(self.connect(token)[0], (400, 401, 431))
                    continue
                status, problem = self.connect(token)
                self.assertEqual(status, 401)
                self.assertNotIn(token[:30] or "\0", json.dumps(problem))

    def test_cursors_that_are_no_cursors(self):
        token = self.keys["EdDSA"].token("u", "s")
        for cursor in ("x" * 200, "a b", "0000000000000001-00000000000Z"):
            with self.subTest(cursor[:20]):
                status, problem = self.connect(token, **{"last-event-id": cursor})
                self.assertIn(status, (200, 400))


if __name__ == "__main__":
    unittest.main()
