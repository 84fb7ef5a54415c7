"""Requests that go through a gateway to an application of the user's own, by real processes: semantics.md 8.1, 8.4, 9.3, 10.1.

Prints the delay from an acknowledged invalidation to the rejection of a request in flight; docs/security.md gives the figures.
GALAXY_REJECTIONS says how many are measured.
"""
import http.client, http.server, json, pathlib, queue, signal, socket, struct, subprocess, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

REJECTIONS = int(harness.os.environ.get("GALAXY_REJECTIONS", "100"))


class Application(http.server.ThreadingHTTPServer):
    """Tells what it was asked. Under /api/hold it never answers, under /api/begin it never ends: it reports when it is cut off."""

    daemon_threads = True

    def __init__(self):
        self.asked, self.cut = queue.Queue(), queue.Queue()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.server.asked.put((self.path, self.headers))
        if self.path.startswith("/api/begin"):
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"first")
            self.wfile.flush()
        if self.path.startswith(("/api/begin", "/api/hold")):
            return self.wait_for_the_cut()
        self.answer(json.dumps(self.headers.items()).encode())

    def do_POST(self):
        self.server.asked.put((self.path, self.headers))
        body = b""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        self.answer(body[::-1])

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def wait_for_the_cut(self):
        self.close_connection = True
        self.connection.settimeout(harness.DEADLINE_S)
        try:
            self.connection.recv(1)
            how = "end"
        except ConnectionResetError:
            how = "reset"
        except TimeoutError:
            how = "never"
        self.server.cut.put((self.path, how, time.monotonic()))

    def log_message(self, *_):
        pass


class RequestProxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.app = Application()
        cls.addClassCleanup(cls.app.server_close)
        cls.addClassCleanup(cls.app.shutdown)
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys, cls.folder / "gw-1", "--app", cls.app.url))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)

    def setUp(self):
        for left in (self.app.asked, self.app.cut):
            while not left.empty():
                left.get()

    def headers(self, session="phone", **over):
        return {"authorization": "Bearer " + self.keys.token("ann", session)} | over

    def begin(self, path, session, method="GET", body=None, gateway=None):
        """Sends a request and waits until the application has it."""
        host, port = (gateway or self.gateway).listen.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=harness.DEADLINE_S)
        self.addCleanup(connection.close)
        connection.request(method, path, body, self.headers(session))
        self.assertEqual(self.app.asked.get(timeout=harness.DEADLINE_S)[0], path)
        return connection

    def test_the_application_learns_who_asks_and_look_alikes_do_not_reach_it(self):
        forged = {"X-Galaxy-User-Id": "eve", "X_Galaxy_User_Id": "eve", "x-galaxy_device-session_id": "eve", "X-Forwarded-For": "6.6.6.6",
                  "X-Request-Id": "eve", "Forwarded": "for=6.6.6.6", "X-Own": "kept", "Connection": "x-hop", "X-Hop": "eve"}
        answer = harness.get(self.gateway.listen, "/api/fleet?id=7", self.headers(**forged))
        self.assertEqual(answer.status, 200)
        path, got = self.app.asked.get(timeout=1)
        self.assertEqual(path, "/api/fleet?id=7")
        self.assertEqual(got.get_all("x-galaxy-user-id"), ["ann"])
        self.assertEqual(got.get_all("x-galaxy-device-session-id"), ["phone"])
        self.assertEqual(got.get_all("x-forwarded-for"), ["127.0.0.1"])
        self.assertEqual(got["x-own"], "kept")
        self.assertEqual(got["host"], self.gateway.listen)
        self.assertEqual([name for name, value in got.items() if "eve" in value or "6.6.6.6" in value], [])
        self.assertEqual(len(got.get_all("x-request-id")), 1)
        self.assertRegex(got["traceparent"], "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")

    def test_bodies_go_both_ways_with_a_length_and_in_chunks(self):
        text = bytes(range(256)) * 2000
        for body in (text, iter([text[:100], text[100:]])):
            answer = harness.request("POST", self.gateway.listen, "/api/turn", body, self.headers())
            self.assertEqual((answer.status, answer.body), (200, text[::-1]))

    def test_nobody_without_a_token_reaches_the_application(self):
        self.assertEqual(harness.get(self.gateway.listen, "/api/fleet").status, 401)
        self.assertEqual(harness.get(self.gateway.listen, "/api/..;/admin", self.headers()).status, 400)
        self.assertEqual(harness.get(self.gateway.listen, "/admin", self.headers()).status, 404)
        self.assertTrue(self.app.asked.empty())

    def test_a_request_in_flight_is_rejected_and_the_application_sees_it_8_1_8_4(self):
        asked, other = self.begin("/api/hold/1", "tablet"), self.begin("/api/hold/2", "laptop")
        harness.invalidate(self.backend.listen, user_id="ann", device_session_id="tablet", reason="stolen")
        answer = asked.getresponse()
        self.assertEqual(answer.status, 401)
        self.assertEqual(json.loads(answer.read())["code"], "session_revoked")
        path, how, _ = self.app.cut.get(timeout=harness.DEADLINE_S)
        self.assertEqual((path, how), ("/api/hold/1", "reset"))
        self.assertEqual(harness.get(self.gateway.listen, "/api/fleet", self.headers("tablet")).status, 401)
        self.assertTrue(self.app.cut.empty())
        # An orderly end is that of the request only; a client that is gone resets.
        other.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        self.assertEqual(self.app.cut.get(timeout=harness.DEADLINE_S)[0], "/api/hold/2")

    def test_a_response_that_has_begun_is_cut_off_8_1(self):
        answer = self.begin("/api/begin", "watch").getresponse()
        self.assertEqual((answer.status, answer.read(5)), (200, b"first"))
        harness.invalidate(self.backend.listen, user_id="ann", device_session_id="watch", reason="stolen")
        with self.assertRaises((ConnectionResetError, http.client.IncompleteRead)):
            answer.read()
        self.assertEqual(self.app.cut.get(timeout=harness.DEADLINE_S)[1], "reset")

    def test_lost_invalidations_reject_requests_in_flight_and_those_that_follow_are_served_9_3(self):
        backend = harness.backend()
        self.addCleanup(backend.__exit__, None)
        gateway = harness.gateway(backend.listen, self.keys, self.folder / "gw-3", "--app", self.app.url, id="gw-3")
        self.addCleanup(gateway.__exit__, None)
        harness.wait_for("the gateway is ready", gateway.ready_now)
        asked = self.begin("/api/hold/9", "phone", gateway=gateway)
        backend.stop(signal.SIGKILL)
        again = harness.backend(listen=backend.listen)  # the memory engine's log is a new one
        self.addCleanup(again.__exit__, None)
        answer = asked.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())["code"]), (503, "stale"))
        self.assertIsNotNone(answer.headers["retry-after"])
        self.assertEqual(self.app.cut.get(timeout=harness.DEADLINE_S)[:2], ("/api/hold/9", "reset"))
        harness.wait_for("served again", lambda: harness.get(gateway.listen, "/api/fleet", self.headers()).status == 200)

    def test_an_application_off_loopback_needs_the_plaintext_setting_10_1(self):
        refused = subprocess.run([harness.BINARY, "gateway", "--id", "gw-2", "--backend", self.backend.listen, "--listen", "127.0.0.1:0",
                                  "--admin", "127.0.0.1:0", "--data", str(self.folder / "gw-2"), "--jwks", str(self.keys.jwks),
                                  "--issuer", "i", "--audience", "a", "--app", "http://192.0.2.1:80"],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("option app: 192.0.2.1:80 is off loopback", refused.stderr)

    def test_how_long_a_revoked_request_stays_in_flight(self):
        sent_to_401, delays, cancelled = [], [], []
        for i in range(REJECTIONS):
            session = "s-%d" % i
            asked = self.begin("/api/hold/%d" % i, session)
            at = []

            def wait():
                if asked.getresponse().status == 401:
                    at.append(time.monotonic())

            waiter = threading.Thread(target=wait)
            waiter.start()
            sent = time.monotonic()
            harness.invalidate(self.backend.listen, user_id="ann", device_session_id=session, reason="stolen")
            acknowledged = time.monotonic()
            waiter.join(harness.DEADLINE_S)
            self.assertEqual(len(at), 1)
            sent_to_401.append(1000 * (at[0] - sent))
            delays.append(1000 * max(0.0, at[0] - acknowledged))
            cancelled.append(1000 * max(0.0, self.app.cut.get(timeout=harness.DEADLINE_S)[2] - acknowledged))
        # 0: it was there before the publisher had read the acknowledgement.
        for what, values in (("acknowledged invalidation to 401 at the client", delays), ("acknowledged invalidation to reset at the application", cancelled),
                             ("invalidation sent to 401 at the client", sent_to_401)):
            values.sort()
            print("%s, %d times: p50 %.2f ms, p99 %.2f ms, most %.2f ms"
                  % (what, len(values), values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)], values[-1]))
        self.assertLess(delays[len(delays) // 2], 1000)


if __name__ == "__main__":
    unittest.main()
