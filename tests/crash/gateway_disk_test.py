"""Gateways whose disk is full or fails: they serve on and forget nothing (semantics.md 7.2, 8.7; docs/formats/gateway.md)."""
import errno, os, pathlib, sqlite3, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import gateway_file
from nodes import SHIM, Died, Node
from sse import SseClient



class GatewayDisk(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.keys = harness.Keys(self.folder)
        self.backend = self.enterContext(harness.backend("--canary", "200ms"))
        self.data, self.plan = self.folder / "gw" / "data", self.folder / "plan"
        self.gateway = self.node("gw", {"LD_PRELOAD": str(SHIM), "FAIL_IO_UNDER": str(self.data), "FAIL_IO_PLAN": str(self.plan)})
        self.gateway.start()
        self.serial = 0

    def node(self, name, environment=None):
        node = Node(name, self.folder / name, [
            "gateway", "--id", "gw", "--backend", self.backend.listen, "--data", self.data, "--jwks", self.keys.jwks,
            "--issuer", self.keys.ISSUER, "--audience", self.keys.AUDIENCE], environment)
        self.addCleanup(node.end)
        return node

    def fail(self, call, error):
        scratch = self.folder / "plan.new"
        scratch.write_text("%s %d" % (call, error))
        os.replace(scratch, self.plan)

    def health(self, state):
        return ('galaxy_push_gateway_state_health{health="%s"} 1' % state) in harness.get(self.gateway.admin, "/metrics").text

    def revoke(self):
        """Revokes a session that has not signed in yet; returns what it would come in with, and the invalidation's cursor."""
        self.serial += 1
        session = "s-%d" % self.serial
        return session, harness.invalidate(self.backend.listen, user_id="u", device_session_id=session, reason="r")

    def status(self, session):
        client = SseClient(self.gateway.listen, self.keys.token("u", session))
        client.close()
        return client.status

    def persisted(self, cursor):
        try:
            state = gateway_file.read(self.data, self.folder / "copies")
        except (AssertionError, sqlite3.Error):
            return False  # copied while it was being written
        return state["cursor"] >= cursor and gateway_file.key(state["secret"], "u", "s-%d" % self.serial) in state["revoked"]

    def assert_refuses(self, *sessions):
        for session in sessions:
            harness.wait_for("%s is refused" % session, lambda: self.status(session) == 401)
        self.assertEqual(self.status("s-never-revoked"), 200)

    def test_without_space_it_serves_on_and_persists_when_space_returns_7_2(self):
        before, cursor = self.revoke()
        harness.wait_for("persisted", lambda: self.persisted(cursor))
        self.fail("write", errno.ENOSPC)
        meanwhile, cursor = self.revoke()
        self.assert_refuses(before, meanwhile)
        harness.wait_for("it says so", lambda: self.health("retrying"))
        self.assertTrue(self.gateway.ready())
        self.assertFalse(self.persisted(cursor))
        self.plan.unlink()
        harness.wait_for("persisted by itself", lambda: self.persisted(cursor))
        harness.wait_for("it says so", lambda: self.health("good"))

    def after_a_fault(self, call):
        before, cursor = self.revoke()
        harness.wait_for("persisted", lambda: self.persisted(cursor))
        self.fail(call, errno.EIO)
        meanwhile, cursor = self.revoke()
        self.assert_refuses(before, meanwhile)
        harness.wait_for("it says so", lambda: self.health("given_up"))
        self.assertTrue(self.gateway.ready())
        # Also when the disk seems to be good again: nothing is known about what it holds.
        self.plan.unlink()
        later, cursor = self.revoke()
        self.assert_refuses(before, meanwhile, later)
        self.gateway.kill()
        self.gateway.start(until="bound")
        self.assertEqual(self.status(before), 401)
        self.gateway.wait()
        self.assert_refuses(before, meanwhile, later)
        harness.wait_for("persisted", lambda: self.persisted(cursor))

    def test_after_a_failed_sync_it_serves_on_and_a_restart_forgets_nothing_8_7(self):
        self.after_a_fault("sync")

    def test_after_a_failed_write_it_serves_on_and_a_restart_forgets_nothing_8_7(self):
        self.after_a_fault("write")

    def test_a_second_process_on_the_same_directory_is_refused(self):
        second = self.node("second")
        with self.assertRaises(Died) as refused:
            second.start()
        self.assertRegex(str(refused.exception), r"ended by itself with status [1-9]")
        self.assertIn(str(self.gateway.process.pid), str(refused.exception))
        self.gateway.kill()
        second.start()


if __name__ == "__main__":
    unittest.main()
