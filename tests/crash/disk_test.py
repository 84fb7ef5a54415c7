"""Disks that are full or fail under real processes (semantics.md 2.1, 2.4).

A small tmpfs really runs out of space, where mounting is allowed; crash_fail_io.so stands before the C library's
write and sync calls for the rest. What is on the disk afterwards is read by log_file.py, not by the program.
"""
import errno, os, pathlib, signal, subprocess, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import grpc
import log_file
from nodes import SHIM, Died, Node

push, publish = harness.messages("galaxy/backend/push/v1/push", "galaxy/backend/publish/v1/publish")


class Disk(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.acked, self.refused, self.serial = {}, set(), 0  # event_id -> cursor; event_ids

    def start(self, data, environment=None, name="backend"):
        node = Node(name, self.folder / name, ["backend", "--engine", "sqlite", "--data", data, "--canary", "200ms"], environment)
        self.addCleanup(node.end)
        node.start()
        return node

    def failing(self, data):
        """A backend whose disk fails once `self.plan` says so."""
        self.plan = self.folder / "plan"
        return self.start(data, {"LD_PRELOAD": str(SHIM), "FAIL_IO_UNDER": str(data), "FAIL_IO_PLAN": str(self.plan)})

    def fail(self, call, error):
        scratch = self.folder / "plan.new"
        scratch.write_text("%s %d" % (call, error))
        os.replace(scratch, self.plan)

    def publish(self, node, size=400):
        """One event over HTTP: its answer, remembered as acknowledged or refused."""
        self.serial += 1
        id = "e-%d" % self.serial
        answer = harness.post(node.listen, "/v1/events", {"user_id": "u", "kind": "k", "event_id": id, "payload": {"x": "y" * size}})
        if answer.status == 200:
            self.acked[id] = answer.json["cursor"]
        else:
            self.refused.add(id)
        return answer

    def assert_kept(self, data):
        """All that was acknowledged is there once, at its cursor and in order; what was refused left no trace."""
        copies = self.folder / "copies"
        found = [(e.id, e.cursor) for e in log_file.load(data, copies).entries if e.type == "event" and e.user == "u"]
        ids = [id for id, _ in found]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual({id: cursor for id, cursor in found if id in self.acked}, self.acked)
        self.assertEqual([c for _, c in found], sorted(c for _, c in found))
        self.assertEqual(self.refused & set(ids), set())

    def assert_full_and_recovers(self, node, data, fill, free):
        for _ in range(20):
            self.assertEqual(self.publish(node).status, 200)
        self.assertTrue(node.ready())
        fill()
        answer = harness.wait_for("a publish is refused", lambda: next((a for a in [self.publish(node, 4000)] if a.status != 200), None))
        self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "unavailable"))
        self.assertRegex(answer.json["error"]["message"], "(?i)full|space")
        # The same over gRPC, for events and invalidations.
        with grpc.insecure_channel(node.listen) as channel:
            invalidate = channel.unary_unary("/galaxy.backend.publish.v1.Publisher/Invalidate",
                                             publish.InvalidateRequest.SerializeToString, publish.InvalidateResponse.FromString)
            with self.assertRaises(grpc.RpcError) as caught:
                for _ in range(2000):  # the last free page may take some
                    invalidate(publish.InvalidateRequest(invalidation=push.SessionInvalidation(user_id="v", reason="r" * 200)))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        harness.wait_for("not ready", lambda: harness.get(node.admin, "/readyz").status == 503)
        self.assertEqual(harness.get(node.admin, "/livez").status, 200)
        self.assertRegex(harness.get(node.admin, "/readyz").text, "(?i)full|space")
        free()
        # Nobody has to do anything: canaries are published, so it finds out by itself.
        harness.wait_for("ready again", node.ready)
        for _ in range(20):
            self.assertEqual(self.publish(node).status, 200)
        node.kill()
        self.assert_kept(data)
        node.start()
        again = harness.post(node.listen, "/v1/events", {"user_id": "u", "kind": "k", "event_id": "e-1", "payload": {"x": "y" * 400}}).json
        self.assertEqual((again["cursor"], again["duplicate"]), (self.acked["e-1"], True))

    def test_a_full_file_system_refuses_publishes_and_recovers_by_itself_2_1(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "galaxy-crash", str(disk)], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest("mounting a small tmpfs is not allowed here: %s" % mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(disk)], check=True))
        ballast = disk / "ballast"

        def fill():
            with open(ballast, "wb") as file, self.assertRaises(OSError) as caught:
                while True:
                    os.write(file.fileno(), bytes(65536))
            self.assertEqual(caught.exception.errno, errno.ENOSPC)
        self.assert_full_and_recovers(self.start(disk / "data"), disk / "data", fill, ballast.unlink)

    def test_writes_that_find_no_space_refuse_publishes_and_recover_2_1(self):
        data = self.folder / "data"
        node = self.failing(data)
        self.assert_full_and_recovers(node, data, lambda: self.fail("write", errno.ENOSPC), lambda: self.plan.unlink())

    def assert_ends_at_once(self, call):
        data = self.folder / "data"
        node = self.failing(data)
        for _ in range(50):
            self.assertEqual(self.publish(node).status, 200)
        self.fail(call, errno.EIO)
        try:
            answer = self.publish(node)
            self.assertNotEqual(answer.status, 200, "acknowledged on a disk that fails")
        except (OSError, harness.http.client.HTTPException):
            pass  # it ended before it could answer
        self.refused.clear()  # whether it is in the log nobody can say after such a fault
        status = node.process.wait(5)
        self.assertNotIn(status, (0, -signal.SIGKILL))
        with self.assertRaises(Died):
            node.check()
        self.assertRegex(node.tail(), "(?i)i/o|input/output|disk")
        self.plan.unlink()
        self.assert_kept(data)
        node.start()
        for id, cursor in list(self.acked.items())[::10]:
            again = harness.post(node.listen, "/v1/events", {"user_id": "u", "kind": "k", "event_id": id, "payload": {"x": "y" * 400}}).json
            self.assertEqual((again["cursor"], again["duplicate"]), (cursor, True))
        newer = self.publish(node).json["cursor"]
        self.assertGreater(newer, max(cursor for id, cursor in self.acked.items() if cursor != newer))
        node.kill()
        self.assert_kept(data)

    def test_a_sync_that_fails_ends_the_process_and_the_restart_tells_the_truth_2_1(self):
        self.assert_ends_at_once("sync")

    def test_a_write_that_fails_ends_the_process_and_the_restart_tells_the_truth_2_1(self):
        self.assert_ends_at_once("write")

    def test_a_second_process_on_the_same_directory_is_refused(self):
        data = self.folder / "data"
        first = self.start(data)
        self.assertEqual(self.publish(first).status, 200)
        second = Node("second", self.folder / "second", ["backend", "--engine", "sqlite", "--data", data])
        self.addCleanup(second.end)
        with self.assertRaises(Died) as refused:
            second.start()
        self.assertRegex(str(refused.exception), r"ended by itself with status [1-9]")
        self.assertIn(str(first.process.pid), str(refused.exception))
        self.assertEqual(self.publish(first).status, 200)
        # Its death frees the directory, however it dies.
        first.kill()
        second.start()
        self.assertEqual(self.publish(second).status, 200)
        second.kill()
        self.assert_kept(data)


if __name__ == "__main__":
    unittest.main()
