"""What a gateway's data directory is good for, with real processes (a disk that fails: tests/crash/gateway_disk_test.py): semantics.md 7.2, 8.5, 8.7, 9.1, 9.2."""
import json, pathlib, shutil, signal, subprocess, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from sse import SseClient
from websocket import WebSocketClient


class GatewayState(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.backend = self.enterContext(harness.backend())
        self.data = self.folder / "gw-1"

    def gateway(self, ready=True, id="gw-1", plane="galaxy"):
        g = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.data, id=id, plane=plane))
        if ready:
            harness.wait_for("%s is ready" % id, g.ready_now)
        return g

    def invalidate(self, gateway, **invalidation):
        """Until it is applied and on the gateway's disk."""
        before = gateway.metric("galaxy_push_gateway_state_entries_total")
        harness.invalidate(self.backend.listen, **invalidation)
        harness.wait_for("it is written", lambda: gateway.metric("galaxy_push_gateway_state_entries_total") > before)

    def refusal(self, gateway, token):
        """What a client learns: the HTTP status and problem, or the first frame of the stream."""
        c = SseClient(gateway.listen, token)
        try:
            return json.loads(c.answer.read()) | {"http": c.status} if c.status != 200 else c.frame()
        finally:
            c.close()

    def test_a_gateway_alone_after_a_restart_refuses_the_revoked_and_puts_off_the_others_8_7_9_2(self):
        g = self.gateway()
        signed_in = int(time.time())
        tokens = {
            "named": self.keys.token("u-1", "s-1"),
            "other session": self.keys.token("u-1", "s-2"),
            "whole user": self.keys.token("u-2", "any"),
            "stranger": self.keys.token("u-3", "s-1"),
        }
        self.invalidate(g, user_id="u-1", device_session_id="s-1", reason="stolen")
        self.invalidate(g, user_id="u-2", reason="password")
        g.stop(signal.SIGKILL)
        self.backend.stop(signal.SIGKILL)

        alone = self.gateway(ready=False)
        self.assertFalse(alone.ready_now())
        named = self.refusal(alone, tokens["named"])
        self.assertEqual((named["http"], named["code"], named["verdict"]), (401, "session_revoked", "never"))
        whole = self.refusal(alone, tokens["whole user"])
        self.assertEqual((whole["http"], whole["code"], whole["verdict"]), (401, "session_revoked", "reauthenticate"))
        socket = WebSocketClient(alone.listen, tokens["named"], timeout=harness.DEADLINE_S)
        self.addCleanup(socket.close)
        bye = socket.frame()["bye"]
        self.assertEqual((bye["code"], bye["reason"], bye["verdict"]), (4503, "stolen", "never"))
        for who in ("other session", "stranger"):
            bye = self.refusal(alone, tokens[who])["bye"]
            self.assertEqual((bye["code"], bye["verdict"]), (4453, "resume"), who)
        # A sign-in of the second after the invalidation is a new session (8.5).
        harness.wait_for("the next second", lambda: time.time() >= signed_in + 2)
        later = self.refusal(alone, self.keys.token("u-2", "new"))["bye"]
        self.assertEqual(later["code"], 4453)

    def test_a_new_log_leaves_the_revoked_set_as_it_is_8_7(self):
        g = self.gateway()
        token = self.keys.token("u-1", "s-1")
        self.invalidate(g, user_id="u-1", device_session_id="s-1", reason="stolen")
        g.stop(signal.SIGKILL)
        self.backend.stop(signal.SIGKILL)
        self.backend = self.enterContext(harness.backend())
        again = self.gateway()
        self.assertEqual(self.refusal(again, token)["http"], 401)
        self.assertEqual(again.metric("galaxy_push_feed_invalidations_unknown"), 1)
        self.assertIn("welcome", self.refusal(again, self.keys.token("u-1", "s-2")))

    def test_damage_is_refused_and_the_documented_way_out_works_8_7(self):
        g = self.gateway()
        token = self.keys.token("u-1", "s-1")
        self.invalidate(g, user_id="u-1", device_session_id="s-1", reason="a-reason-to-be-found")
        self.assertEqual(g.terminate(), 0)
        path = self.data / "gateway.db"
        whole = path.read_bytes()
        self.assertEqual(whole.count(b"a-reason-to-be-found"), 1)
        path.write_bytes(whole.replace(b"a-reason-to-be-found", b"a-reason-to-be-fount"))
        with self.assertRaises(AssertionError) as refused:
            self.gateway()
        self.assertIn("move that file and its -wal away", str(refused.exception))
        subprocess.run("mkdir DIR/damaged && mv DIR/gateway.db* DIR/damaged/".replace("DIR", str(self.data)), shell=True, check=True)
        self.assertIn("mkdir DIR/damaged && mv DIR/gateway.db* DIR/damaged/", (harness.ROOT / "docs/formats/gateway.md").read_text())
        again = self.gateway()
        self.assertEqual(self.refusal(again, token)["http"], 401)

    def test_a_copied_folder_under_another_id_refuses_the_same_sessions_8_7(self):
        g = self.gateway()
        token = self.keys.token("u-1", "s-1")
        self.invalidate(g, user_id="u-1", device_session_id="s-1", reason="stolen")
        self.assertEqual(g.terminate(), 0)
        shutil.copytree(self.data, self.folder / "gw-2")
        self.data = self.folder / "gw-2"
        self.backend.stop(signal.SIGKILL)
        copy = self.gateway(id="gw-2", ready=False)
        self.assertEqual(self.refusal(copy, token)["http"], 401)

    def test_a_plane_does_not_take_over_the_state_of_another(self):
        self.assertEqual(self.gateway().terminate(), 0)
        with self.assertRaises(AssertionError) as refused:
            self.gateway(plane="another")
        self.assertIn("is the state of plane galaxy", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
