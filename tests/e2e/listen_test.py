"""`galaxy-push listen` by every transport: edge-protocol.md, semantics.md 7.4, 8.1, 8.8."""
import json, pathlib, subprocess, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

TRANSPORTS = ["ws", "ws-pb", "sse", "sse-h2", "grpc"]
NAMES = dict(zip(TRANSPORTS, ["websocket", "websocket-pb", "sse", "sse", "grpc"]))


class Listen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys, cls.folder / "gw"))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)

    def listen(self, transport, user, *arguments, gateway=None, scheme="ws", **claims):
        token = self.folder / (user + ".token")
        token.write_text(self.keys.token(user, "phone", **claims))
        process = subprocess.Popen([harness.BINARY, "listen", "--url", "%s://%s" % (scheme, (gateway or self.gateway).listen), "--transport", transport,
                                    "--token-file", str(token), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for clean in (process.stdout.close, process.stderr.close, process.wait, process.kill):
            self.addCleanup(clean)
        return process

    def until(self, process, text):
        """Reads what the process says of itself up to the line with `text`."""
        while text not in (line := process.stderr.readline()):
            if not line and process.poll() is not None:
                self.fail("it ended with %s before it said %r" % (process.returncode, text))
        return line

    def publish(self, user, **event):
        return harness.publish(self.backend.listen, user_id=user, **event)

    def sessions(self, user):
        return harness.get(self.gateway.admin, "/v1/sessions?user=" + user).json["sessions"]

    def test_events_come_verified_and_a_restarted_listener_resumes_7_4(self):
        for transport in TRANSPORTS:
            with self.subTest(transport):
                user, state = "ann-" + transport, self.folder / (transport + ".cursor")
                first = self.listen(transport, user, "--count", 1, "--state-file", state)
                self.until(first, "connected: fresh")
                self.assertEqual([s["transport"] for s in self.sessions(user)], [NAMES[transport]])
                sent = [self.publish(user, payload={"n": 0})]
                out, _ = first.communicate(timeout=20)
                sent += [self.publish(user, payload={"n": n}) for n in (1, 2)]
                second = self.listen(transport, user, "--count", 2, "--state-file", state)
                out += second.communicate(timeout=20)[0]
                events = [json.loads(line) for line in out.splitlines()]
                self.assertEqual([e["cursor"] for e in events], sent)
                self.assertTrue(all(e["verified"] for e in events))
                self.assertEqual((first.returncode, second.returncode), (0, 0))

    def test_a_revoked_session_ends_with_status_4_at_once_and_when_it_comes_back_8_1(self):
        for transport in TRANSPORTS:
            with self.subTest(transport):
                user = "bob-" + transport
                process = self.listen(transport, user)
                self.until(process, "connected: fresh")
                harness.invalidate(self.backend.listen, user_id=user, device_session_id="phone", reason="stolen")
                self.until(process, "ended with code 4503, verdict never: stolen")
                self.assertEqual(process.wait(20), 4)
                # A refused WebSocket gets its bye, SSE a problem, gRPC a status: all say the same.
                again = self.listen(transport, user)
                self.until(again, "ended with code 4503, verdict never: stolen")
                self.assertEqual(again.wait(20), 4)

    def test_a_token_that_does_not_hold_ends_with_status_3(self):
        for transport in TRANSPORTS:
            with self.subTest(transport):
                process = self.listen(transport, "eve", aud="someone else")
                self.until(process, "ended with code 4501, verdict reauthenticate")
                self.assertEqual(process.wait(20), 3)

    def test_a_token_that_is_renewed_keeps_the_listener_8_8(self):
        for transport in ("ws-pb", "sse", "grpc"):
            with self.subTest(transport):
                user = "cat-" + transport
                now = self.keys.claims("", "")["iat"]
                process = self.listen(transport, user, iat=now, exp=now + 5)
                self.until(process, "connected: fresh")
                (self.folder / (user + ".token")).write_text(self.keys.token(user, "phone", iat=now))
                expires = lambda: [s for s in self.sessions(user) if s["token_expires_ms"] > (now + 60) * 1000]
                harness.wait_for("the new token counts", expires)
                cursor = self.publish(user)
                self.assertEqual(json.loads(process.stdout.readline())["cursor"], cursor)

    def test_all_of_it_over_tls_10_1(self):
        ca = self.folder / "ca"
        subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(ca), "--gateways", "gw-2"], check=True, capture_output=True)
        gateway = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / "gw-2", "--tls-cert", ca / "server.crt",
                                                    "--tls-key", ca / "server.key", id="gw-2"))
        harness.wait_for("it is ready", gateway.ready_now)
        for transport in TRANSPORTS:
            with self.subTest(transport):
                user = "dan-" + transport
                process = self.listen(transport, user, "--count", 1, "--ca", ca / "ca.crt", gateway=gateway, scheme="wss")
                self.until(process, "connected: fresh")
                cursor = self.publish(user)
                self.assertEqual(json.loads(process.communicate(timeout=20)[0])["cursor"], cursor)


if __name__ == "__main__":
    unittest.main()
