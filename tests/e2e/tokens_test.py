"""Client tokens of several issuers whose keys come from a real server that rotates, fails, hangs and lies, and the cookie with its
Origin rule, by clients that are not ours: semantics.md 8.8, 10.2 and 10.3."""
import http.client, http.server, json, pathlib, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness, websocket

PAGE = "https://game.example"


class KeyServer:
    """Serves /NAME, the key set of that name, as `mode` says."""

    def __init__(self):
        self.sets, self.mode, self.asked = {}, "good", []
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                if outer.mode == "hangs":
                    outer.release.wait(20)
                bodies = {"garbage": b"<html>503</html>", "large": b" " * (3 << 20), "empty": b""}
                body = bodies.get(outer.mode, json.dumps(outer.sets.get(self.path[1:], {"keys": []})).encode())
                try:
                    self.send_response(500 if outer.mode == "fails" else 200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked did not wait

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name):
        return "http://127.0.0.1:%d/%s" % (self.server.server_port, name)

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Issuer(harness.Keys):
    """An issuer of the test's, with keys that all have the same kid."""

    def __init__(self, name, folder, algorithm):
        (folder / name).mkdir(exist_ok=True)
        super().__init__(folder / name, algorithm)
        self.ISSUER, self.kid = "https://%s.example" % name, "key-1"


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.server = KeyServer()
        cls.addClassCleanup(cls.server.close)
        cls.a, cls.b = Issuer("a", cls.folder, "RS256"), Issuer("b", cls.folder, "RS256")
        cls.server.sets = {"a": {"keys": [cls.a.public_jwk()]}, "b": {"keys": [cls.b.public_jwk()]}}
        issuers = cls.folder / "issuers.json"
        issuers.write_text(json.dumps({"issuers": [
            {"issuer": cls.a.ISSUER, "audience": "galaxy", "jwks": cls.server.url("a")},
            {"issuer": cls.b.ISSUER, "audience": "galaxy", "jwks": cls.server.url("b"), "user_prefix": "b:", "user_claim": "uid", "session_claim": "device"}]}))
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.Process(
            "gateway", "--id", "gw-1", "--backend", cls.backend.listen, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", cls.folder / "gw",
            "--issuers", issuers, "--jwks-cooldown", "100ms", "--token-leeway", "0s", "--origins", PAGE, "--hello-timeout", "300ms"))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)
        harness.wait_for("both issuers have keys", lambda: cls.gateway.metric("galaxy_push_issuers_without_keys") == 0)

    def setUp(self):
        self.server.mode = "good"

    def stream(self, token, **headers):
        """The status of a stream, and its first frame or its problem."""
        host, port = self.gateway.listen.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=harness.DEADLINE_S)
        try:
            fields = {k.replace("_", "-"): v for k, v in headers.items()}
            if token:
                fields["authorization"] = "Bearer " + token
            connection.request("GET", "/v1/events", headers={"accept": "text/event-stream"} | fields)
            answer = connection.getresponse()
            if answer.status != 200:
                return answer.status, json.loads(answer.read()), answer.headers
            while True:
                line = answer.readline()
                if line.startswith(b"data:"):
                    return 200, json.loads(line[5:]), answer.headers
        finally:
            connection.close()

    def status(self, token):
        return self.stream(token)[0]

    def rotate(self):
        """A new key of issuer a, which the server has and the gateway has not."""
        time.sleep(0.11)  # the cooldown of the last fetch
        new = Issuer("a", self.folder, "ES256")
        new.kid = "key-%d" % time.time_ns()
        self.server.sets["a"] = {"keys": [self.a.public_jwk(), new.public_jwk()]}
        return new

    def test_issuers_have_keys_and_users_of_their_own_10_2(self):
        _, frame, _ = self.stream(self.a.token("ann", "phone"))
        self.assertEqual((frame["welcome"]["user"], frame["welcome"]["session"]), ("ann", "phone"))
        _, frame, _ = self.stream(self.b.token(None, None, uid="ann", device="pad"))
        self.assertEqual((frame["welcome"]["user"], frame["welcome"]["session"]), ("b:ann", "pad"))
        # The same kid, the other issuer's key.
        self.assertEqual(self.status(self.a.token("ann", "phone", iss=self.b.ISSUER, uid="ann", device="pad")), 401)
        self.assertEqual(self.status(self.b.token("ann", "phone", iss=self.a.ISSUER)), 401)
        # Nor may one name the users of the other, or use the names of the other's claims.
        self.assertEqual(self.status(self.a.token("b:ann", "phone")), 401)
        self.assertEqual(self.status(self.b.token("ann", "phone")), 401)

    def test_the_rest_is_refused_10_2(self):
        good = self.a.token("ann", "phone")
        text = good.rsplit(".", 1)[0]
        for head in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"alg": "RS384"}, {"alg": "ES256"}, {"alg": "EdDSA"}, {"crit": ["exp"]}, {"typ": "logout+jwt"}):
            self.assertEqual(self.status(self.a.token("ann", "phone", header=head)), 401, head)
        self.assertEqual(self.status(harness.b64u(b'{"alg":"none"}') + "." + text.split(".")[1] + "."), 401)
        now = int(time.time())
        for claims in ({"iss": "https://c.example"}, {"aud": "else"}, {"exp": None}, {"exp": now - 1}, {"nbf": now + 60}, {"iat": now + 60}, {"sid": None}):
            self.assertEqual(self.status(self.a.token("ann", "phone", **claims)), 401, claims)
        self.assertEqual(self.status(good), 200)

    def test_keys_rotate_without_a_restart_and_one_fetch_serves_all_10_2(self):
        new = self.rotate()
        self.server.mode, self.server.asked = "hangs", []
        self.server.release.clear()
        results = []
        waiting = [threading.Thread(target=lambda: results.append(self.status(new.token("ann", "phone")))) for _ in range(8)]
        for thread in waiting:
            thread.start()
        harness.wait_for("all wait", lambda: self.gateway.metric("galaxy_push_issuers_waiting") == 8)
        # The loop does not wait with them.
        began = time.monotonic()
        self.assertEqual(self.status(self.a.token("ann", "phone")), 200)
        self.assertLess(time.monotonic() - began, 2)
        self.server.mode = "good"
        self.server.release.set()
        for thread in waiting:
            thread.join()
        self.assertEqual(results, [200] * 8)
        self.assertEqual(sorted(self.server.asked), ["/a", "/b"])

    def test_a_server_that_fails_or_lies_takes_nobody_down_10_2(self):
        for mode in ("fails", "garbage", "large", "empty"):
            new = self.rotate()
            self.server.mode = mode
            failures = self.gateway.metric("galaxy_push_issuers_key_fetch_failures_total")
            self.assertEqual(self.status(new.token("ann", "phone")), 401, mode)
            self.assertGreater(self.gateway.metric("galaxy_push_issuers_key_fetch_failures_total"), failures, mode)
            self.assertEqual(self.status(self.a.token("ann", "phone")), 200, mode)
            # Within the cooldown nobody asks again.
            asked, cooled = len(self.server.asked), self.gateway.metric("galaxy_push_issuers_unknown_keys_cooled_total")
            self.assertEqual(self.status(new.token("ann", "phone")), 401)
            if self.gateway.metric("galaxy_push_issuers_unknown_keys_cooled_total") > cooled:
                self.assertEqual(len(self.server.asked), asked)
            self.server.mode = "good"
            time.sleep(0.11)
            self.assertEqual(self.status(new.token("ann", "phone")), 200, mode)

    def test_a_server_that_hangs_holds_up_only_who_needs_it_10_2(self):
        new = self.rotate()
        self.server.mode = "hangs"
        self.server.release.clear()
        began = time.monotonic()
        self.assertEqual(self.status(new.token("ann", "phone")), 401)
        self.assertLess(time.monotonic() - began, 8)
        self.server.release.set()

    def test_a_token_that_ends_ends_the_connection_unless_refreshed_8_8(self):
        ends = int(time.time()) + 2
        dies = websocket.WebSocketClient(self.gateway.listen, self.a.token("ann", "short", exp=ends), timeout=10)
        stays = websocket.WebSocketClient(self.gateway.listen, self.a.token("ann", "long", exp=ends), timeout=10)
        self.addCleanup(dies.socket.close)
        self.addCleanup(stays.socket.close)
        self.assertIn("welcome", stays.frame())
        # Of another session, of another user: refused, and nobody is kicked.
        for token in (self.a.token("ann", "other"), self.a.token("bob", "long"), self.a.token("ann", "long")):
            stays.send({"refresh": {"token": token}})
        self.assertIn("refreshed", stays.frame())
        self.assertIn("welcome", dies.frame())
        bye = dies.frame()["bye"]
        self.assertEqual((bye["code"], bye["verdict"]), (4502, "reauthenticate"))
        cursor = harness.publish(self.backend.listen, user_id="ann", device_session_id="long")
        self.assertEqual(stays.frame()["event"]["cursor"], cursor)

    def test_a_cookie_counts_by_origin_and_a_header_goes_before_it_10_3(self):
        cookie = "x=1; __Host-galaxy=" + self.a.token("ann", "browser")
        own = "http://" + self.gateway.listen
        for origin in (own, PAGE):
            status, frame, headers = self.stream(None, cookie=cookie, origin=origin)
            self.assertEqual((status, frame["welcome"]["session"]), (200, "browser"))
            listed = origin == PAGE
            self.assertEqual(headers["access-control-allow-origin"], PAGE if listed else None)
            self.assertEqual(headers["access-control-allow-credentials"], "true" if listed else None)
            self.assertIn("origin", headers["vary"])
        self.assertEqual(self.stream(None, cookie=cookie, sec_fetch_site="same-origin")[0], 200)
        for fields in ({"origin": "https://evil.example"}, {"origin": PAGE + ".evil"}, {"origin": "null"}, {}, {"sec_fetch_site": "cross-site"}):
            ignored = self.gateway.metric("galaxy_push_edge_cookies_ignored_total")
            status, problem, headers = self.stream(None, cookie=cookie, **fields)
            self.assertEqual((status, problem["code"]), (401, "unauthenticated"), fields)
            self.assertIsNone(headers["access-control-allow-origin"])
            self.assertEqual(self.gateway.metric("galaxy_push_edge_cookies_ignored_total"), ignored + 1)
        self.assertEqual(self.stream(self.a.token("ann", "header"), cookie=cookie, origin=own)[1]["welcome"]["session"], "header")
        self.assertEqual(self.stream("junk", cookie=cookie, origin=own)[0], 401)

    def test_a_preflight_is_answered_for_listed_origins_10_3(self):
        def ask(origin):
            return harness.request("OPTIONS", self.gateway.listen, "/v1/events", headers={"origin": origin, "access-control-request-method": "GET",
                                                                                        "access-control-request-headers": "authorization"}).headers
        listed = ask(PAGE)
        self.assertEqual(listed["access-control-allow-origin"], PAGE)
        self.assertEqual(listed["access-control-allow-credentials"], "true")
        self.assertIn("authorization", listed["access-control-allow-headers"])
        self.assertIsNone(ask("https://evil.example")["access-control-allow-origin"])


class BadOptions(unittest.TestCase):
    def refused(self, *arguments):
        with harness.folder() as folder:
            process = harness.subprocess.run([harness.BINARY, "gateway", "--id", "gw", "--backend", "127.0.0.1:1", "--data", str(folder / "gw"), "--listen", "127.0.0.1:0",
                                              "--admin", "127.0.0.1:0", *map(str, arguments)], capture_output=True, text=True, timeout=20)
        self.assertNotEqual(process.returncode, 0)
        return process.stderr

    def test_what_is_wrong_is_named_10_2(self):
        with harness.folder() as folder:
            keys = harness.Keys(folder)
            whole = ["--jwks", keys.jwks, "--issuer", "i", "--audience", "a"]
            self.assertIn("option audience is missing", self.refused(*whole[:4]))
            self.assertIn("does not go with --issuers", self.refused(*whole, "--issuers", "x"))
            self.assertIn("http off loopback", self.refused("--jwks", "http://192.0.2.1/keys", *whole[2:]))
            self.assertIn("origins", self.refused(*whole, "--origins", "https://game.example/"))
            self.assertIn("cookie", self.refused(*whole, "--cookie", "a b"))
            file = folder / "issuers.json"
            one = {"issuer": "i", "audience": "a", "jwks": str(keys.jwks)}
            file.write_text(json.dumps({"issuers": [one, one | {"issuer": "j"}]}))
            self.assertIn("issuers[1].user_prefix", self.refused("--issuers", file))


if __name__ == "__main__":
    unittest.main()
