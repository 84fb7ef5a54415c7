"""`galaxy-push log` and `backup` on real data directories: damage is refused, named and mended honestly."""
import json, os, re, signal, sqlite3, subprocess, sys, threading, unittest, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

DAMAGED = 6


def tool(*arguments):
    return subprocess.run([harness.BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def resume(backend, cursor):
    """What a subscriber is told that comes with `cursor`: ("gap (evicted)", "complete")."""
    p = subprocess.Popen([harness.BINARY, "tail", "--backend", backend.listen, "--cursor", cursor, "--canaries", "--count", "1"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        line = p.stderr.readline()
    finally:
        p.kill()
        p.communicate()
    return re.search(r"subscribed: (.*) after .*, invalidations (\w+)", line).groups()


def row_of(data, cursor):
    """The keys of the row that holds the entry: (first, last)."""
    sequence = int(cursor[:16], 16)
    with sqlite3.connect(data / "log.db") as db:
        return db.execute("SELECT first, last FROM log WHERE first <= ? AND last >= ?", (sequence, sequence)).fetchone()


def flip_a_byte(data, text):
    """Turns one bit over in the file, within `text`, which must be there once."""
    path = data / "log.db"
    content = path.read_bytes()
    assert content.count(text) == 1, content.count(text)
    at = content.index(text) + len(text) // 2
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))


class LogTools(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.data = self.folder / "data"

    def backend(self, data=None):
        return self.enterContext(harness.backend("--canary", "500ms", data=data or self.data))

    def stop(self, process):
        self.assertEqual(process.terminate(), 0)

    def test_one_damaged_byte_from_refusal_to_repair(self):
        b = self.backend()
        keys = harness.Keys(self.folder)
        gateway = self.enterContext(harness.gateway(b.listen, keys, self.folder / "gw"))
        harness.wait_for("gateway ready", gateway.ready_now)
        before = [harness.publish(b.listen, user_id="u-%d" % i, payload={"text": "before-%d-%s" % (i, "x" * 50)}) for i in range(5)]
        revoked = harness.invalidate(b.listen, user_id="u-9", device_session_id="s", reason="lost")
        harness.wait_for("gateway has it", lambda: resume(b, revoked)[0] == "resumed" and gateway.metric("galaxy_push_gateway_ring_entries") >= 5)
        self.stop(gateway)
        lost = harness.publish(b.listen, user_id="u-lost", payload={"text": "THE-DAMAGED-ENTRY-" + "y" * 40})
        after = harness.publish(b.listen, user_id="u-a", payload={"text": "after"})
        self.stop(b)
        first, last = row_of(self.data, lost)
        self.assertNotIn(row_of(self.data, after)[0], (first,))

        self.assertEqual(tool("log", "verify", self.data).returncode, 0)
        flip_a_byte(self.data, b"THE-DAMAGED-ENTRY-")
        refused = tool("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--engine", "sqlite", "--data", self.data)
        self.assertEqual(refused.returncode, 1, refused.stderr)
        for said in ("log row %d" % first, "galaxy-push log verify", "galaxy-push log repair", "backup"):
            self.assertIn(said, refused.stdout + refused.stderr)

        verified = tool("log", "verify", "--data", self.data)
        self.assertEqual(verified.returncode, DAMAGED)
        self.assertRegex(verified.stdout, r"(?m)^log row %d \(cursors %016x-.* to %016x-.*\): the checksum is wrong$" % (first, first, last))
        dumped = tool("log", "dump", self.data)
        self.assertEqual(dumped.returncode, DAMAGED)
        cursors = [json.loads(line)["cursor"] for line in dumped.stdout.splitlines()]
        self.assertEqual(cursors, sorted(cursors))
        self.assertTrue(set(before) | {revoked, after} <= set(cursors))
        self.assertNotIn(lost, cursors)

        dry = tool("log", "repair", "--data", self.data, "--dry-run")
        self.assertIn("nothing was changed", dry.stdout)
        self.assertEqual(tool("log", "verify", self.data).returncode, DAMAGED)
        repaired = tool("log", "repair", "--data", self.data)
        self.assertEqual(repaired.returncode, 0, repaired.stderr)
        self.assertRegex(repaired.stdout, r"lost: the entries after \S+ up to and with %016x-" % last)
        kept, = self.data.glob("damaged-*")
        self.assertEqual(tool("log", "dump", kept).returncode, DAMAGED)
        self.assertEqual(tool("log", "verify", self.data).returncode, 0)

        b = self.backend()
        self.assertEqual(resume(b, before[0]), ("gap (evicted)", "complete"))
        self.assertEqual(resume(b, revoked), ("gap (evicted)", "complete"))
        self.assertEqual(resume(b, after), ("resumed", "complete"))
        self.assertGreater(harness.publish(b.listen, user_id="u"), after)
        gateway = self.enterContext(harness.gateway(b.listen, keys, self.folder / "gw"))
        harness.wait_for("gateway ready", gateway.ready_now)
        self.assertEqual(gateway.metric("galaxy_push_feed_gaps_total"), 1)
        retained = tool("log", "dump", self.data, "--retained")
        self.assertEqual([json.loads(line)["session_invalidation"]["user_id"] for line in retained.stdout.splitlines()], ["u-9"])

    def test_a_lost_invalidation_has_to_be_accepted_and_is_told_to_gateways(self):
        b = self.backend()
        old = harness.publish(b.listen, user_id="u")
        invalidated = harness.invalidate(b.listen, user_id="u-9", device_session_id="s", reason="lost")
        new = harness.publish(b.listen, user_id="u")
        self.stop(b)
        with sqlite3.connect(self.data / "log.db") as db:
            db.execute("UPDATE retained SET ms = ms + 1")
            db.execute("UPDATE log SET entries = entries + 1 WHERE first = ?", row_of(self.data, invalidated)[:1])
        db.close()
        refused = tool("log", "repair", self.data)
        self.assertEqual(refused.returncode, DAMAGED, refused.stdout)
        self.assertIn("u-9", refused.stdout)
        self.assertIn("--accept-lost-invalidations", refused.stderr)
        self.assertEqual(list(self.data.glob("damaged-*")), [])
        self.assertEqual(tool("log", "repair", self.data, "--accept-lost-invalidations").returncode, 0)
        b = self.backend()
        self.assertEqual(resume(b, old), ("gap (unknown)", "unknown"))
        self.assertEqual(resume(b, new)[0], "resumed")

    def test_info_tells_what_there_is_also_while_it_runs(self):
        b = self.backend()
        last = [harness.publish(b.listen, user_id="u") for _ in range(3)][-1]
        info = json.loads(tool("log", "info", self.data, "--json").stdout)
        self.assertEqual((info["running"], info["pid"], info["format_version"]), (True, b.process.pid, 1))
        self.assertGreaterEqual(info["newest"], last)
        self.assertGreaterEqual(info["entries"], 3)
        self.assertRegex(tool("log", "info", self.data).stdout, r"in use by process %d" % b.process.pid)
        self.assertEqual(tool("log", "verify", self.data).returncode, 0)
        busy = tool("log", "repair", self.data)
        self.assertEqual(busy.returncode, 1)
        self.assertIn("in use by process %d" % b.process.pid, busy.stderr)
        self.stop(b)
        info = json.loads(tool("log", "info", self.data, "--json").stdout)
        self.assertEqual((info["running"], info["wal_bytes"]), (False, 0))

    def test_dump_prints_a_range_in_the_shape_of_tail(self):
        b = self.backend()
        cursors = [harness.publish(b.listen, user_id="u-%d" % i, event_id="e-%d" % i, payload={"n": i}) for i in range(6)]
        dumped = tool("log", "dump", self.data, "--from", cursors[2], "--to", cursors[4])
        self.assertEqual(dumped.returncode, 0, dumped.stderr)
        lines = [json.loads(line) for line in dumped.stdout.splitlines()]
        mine = [line for line in lines if line["client_event"]["user_id"] != "galaxy:canary"]
        self.assertEqual([line["cursor"] for line in mine], cursors[2:5])
        self.assertEqual(mine[0]["client_event"], {"user_id": "u-2", "kind": "game.turn.ready", "payload": '{"n": 2}', "event_id": "e-2"})
        self.assertEqual(tool("log", "dump", self.data, "--from", "nonsense").returncode, 2)

    def test_a_backup_of_a_running_backend_holds_all_that_was_acknowledged_before_it(self):
        b = self.backend()
        acknowledged, stop = [], threading.Event()

        def publish():
            while not stop.is_set():
                acknowledged.append(harness.publish(b.listen, user_id="u", payload={"fill": "z" * 5000}))

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            harness.wait_for("some events", lambda: len(acknowledged) > 50)
            harness.invalidate(b.listen, user_id="u-9", device_session_id="s", reason="lost")
            must = list(acknowledged)
            copied = tool("backup", self.data, self.folder / "copy")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual(tool("backup", self.data, self.folder / "copy").returncode, 1)
        dumped = [json.loads(line)["cursor"] for line in tool("log", "dump", self.folder / "copy").stdout.splitlines()]
        self.assertTrue(set(must) <= set(dumped))
        self.assertEqual([c for c in dumped if c in set(acknowledged)], acknowledged[:len([c for c in acknowledged if c in set(dumped)])])

        # An old backup is restored: what came after it is a gap for whoever had it, and no cursor means two things.
        later = [harness.publish(b.listen, user_id="u") for _ in range(3)]
        self.stop(b)
        restored = self.backend(self.folder / "copy")
        self.assertEqual(resume(restored, must[-1])[0], "resumed")
        self.assertEqual(resume(restored, later[-1])[1], "unknown")
        fresh = harness.publish(restored.listen, user_id="u")
        self.assertGreater(fresh, later[-1])
        self.assertEqual(resume(restored, later[-1]), ("gap (unknown)", "unknown"))


if __name__ == "__main__":
    unittest.main()
