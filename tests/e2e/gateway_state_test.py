"""What a gateway's data directory is good for, with real processes: semantics.md 7.2, 8.5, 8.7, 9.1, 9.2."""
import errno, json, os, pathlib, shutil, signal, subprocess, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
from sse import SseClient
from websocket import WebSocketClient


class GatewayState(unittest.TestCase):
    def setUp(self):
        folder = harness.folder()
        self.folder = folder.__enter__()
        self.addCleanup(folder.__exit__, None, None, None)
        self.keys = harness.Keys(self.folder)
        self.backend = self.started(harness.backend())
        self.data = self.folder / "gw-1"

    def started(self, process):
        self.addCleanup(process.__exit__, None)
        return process

    def gateway(self, ready=True, id="gw-1", plane="galaxy", environment=None):
        g = self.started(harness.gateway(self.backend.listen, self.keys, self.data, id=id, plane=plane, environment=environment))
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
        self.backend = self.started(harness.backend())
        again = self.gateway()
        self.assertEqual(self.refusal(again, token)["http"], 401)
        self.assertEqual(again.metric("galaxy_push_feed_invalidations_unknown"), 1)
        self.assertIn("welcome", self.refusal(again, self.keys.token("u-1", "s-2")))

    def test_a_second_process_on_the_folder_is_refused(self):
        g = self.gateway()
        with self.assertRaises(AssertionError) as refused:
            self.gateway()
        self.assertIn("process %d" % g.process.pid, str(refused.exception))
        self.assertTrue(g.ready_now())

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

    def on_a_disk_that_fails(self):
        """A gateway whose writes and syncs fail once self.plan says so (tests/crash/fail_io.cc)."""
        self.plan = self.folder / "plan"
        g = self.gateway(environment={"LD_PRELOAD": str(harness.BUILD / "crash_fail_io.so"), "FAIL_IO_UNDER": str(self.data),
                                      "FAIL_IO_PLAN": str(self.plan)})
        harness.wait_for("a first cursor is written", lambda: g.metric("galaxy_push_gateway_state_writes_total") > 0)
        return g

    def fail(self, call, error):
        scratch = self.folder / "plan.new"
        scratch.write_text("%s %d" % (call, error))
        os.replace(scratch, self.plan)

    def assert_serves(self, gateway, revoked, good):
        self.assertTrue(gateway.ready_now())
        self.assertEqual(self.refusal(gateway, revoked)["http"], 401)
        self.assertIn("welcome", self.refusal(gateway, good))

    def test_a_full_disk_stops_nothing_and_is_tried_again_7_2(self):
        g = self.on_a_disk_that_fails()
        revoked, good = self.keys.token("u-1", "s-1"), self.keys.token("u-1", "s-2")
        self.fail("write", errno.ENOSPC)
        harness.invalidate(self.backend.listen, user_id="u-1", device_session_id="s-1", reason="stolen")
        harness.wait_for("it is tried again", lambda: g.metric("galaxy_push_gateway_state_write_failures_total") >= 2)
        self.assertEqual(g.metric("galaxy_push_gateway_state_health", 'health="retrying"'), 1)
        self.assertEqual(g.metric("galaxy_push_gateway_state_waiting_entries"), 1)
        self.assert_serves(g, revoked, good)
        self.plan.unlink()
        harness.wait_for("it is written", lambda: g.metric("galaxy_push_gateway_state_waiting_entries") == 0)
        self.assertEqual(g.metric("galaxy_push_gateway_state_health", 'health="good"'), 1)
        self.assertIn("The state cannot be written for want of space.", g.output())
        g.stop(signal.SIGKILL)
        self.backend.stop(signal.SIGKILL)
        self.assertEqual(self.refusal(self.gateway(ready=False), revoked)["http"], 401)

    def test_a_disk_whose_syncs_fail_stops_nothing_but_the_state_7_2(self):
        for call in ("sync", "write"):
            self.data = self.folder / ("data-" + call)
            g = self.on_a_disk_that_fails()
            session = "s-" + call
            revoked, good = self.keys.token("u-1", session), self.keys.token("u-1", "good")
            self.fail(call, errno.EIO)
            harness.invalidate(self.backend.listen, user_id="u-1", device_session_id=session, reason="stolen")
            harness.wait_for("it gives up", lambda: g.metric("galaxy_push_gateway_state_health", 'health="given_up"') == 1)
            harness.wait_for("it is applied", lambda: self.refusal(g, revoked).get("http") == 401)
            self.assert_serves(g, revoked, good)
            self.plan.unlink()
            g.stop(signal.SIGKILL)
            again = self.gateway()
            self.assert_serves(again, revoked, good)
            again.stop(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main()
