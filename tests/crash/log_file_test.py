"""The reader of log files finds what is wrong with one, by itself and against what it has read before.

The files are written here by docs/formats/log.md, so that page, this writer and the program must agree: the program's own
files go through the same reader in the campaign.
"""
import pathlib, sqlite3, struct, sys, tempfile, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import log_file

SCHEMA = """
CREATE TABLE meta(id INTEGER PRIMARY KEY, start_sequence, start_ms, floor_sequence, floor_ms, retained_floor, checksum);
CREATE TABLE log(first INTEGER PRIMARY KEY, first_ms, last, last_ms, before, entries, checksum, bytes);
CREATE TABLE retained(sequence INTEGER PRIMARY KEY, ms, user_id, device_session_id, checksum, entry);
PRAGMA application_id = 0x47504C47; PRAGMA user_version = 1;
"""


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def entry(sequence, ms, user="u", session="", id=None):
    """An event with an id, else an invalidation."""
    cursor = b"%016x-%012x" % (sequence, ms)
    members = [(1, user), (2, session), (3, "k"), (4, "{}"), (5, id)] if id else [(1, session), (2, user), (3, "r")]
    body = b"".join(field(n, text.encode()) for n, text in members if text)
    message = field(1 if id else 2, body) + field(3, cursor)
    return b"\0" + struct.pack(">I", len(message)) + message


class LogFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.now = int(time.time() * 1000)
        self.entries, self.faults = [], []
        self.reader = log_file.Reader(self.folder, self.folder / "copies", 20, lambda what, **fields: self.entries.append((what, fields)),
                                      lambda what, **fields: self.faults.append((fields["rule"], fields["text"])))
        self.database = sqlite3.connect(self.folder / "log.db")
        self.addCleanup(self.database.close)
        self.database.executescript(SCHEMA)
        self.meta(floor=100)
        self.row(100, [entry(101, self.now, id="a"), entry(102, self.now, user="v", session="s")])
        self.retain(102, "v", "s")
        self.row(102, [entry(104, self.now, id="b")])
        self.database.commit()

    def meta(self, floor, floor_ms=1, start=100):
        numbers = (start, 1, floor, floor_ms, 0)
        self.database.execute("REPLACE INTO meta VALUES(1, ?, ?, ?, ?, ?, ?)", (*numbers, log_file.sha(b"M", *numbers)))

    def row(self, before, entries):
        sequences = [int(e[-29:-13], 16) for e in entries]
        first, last, data = sequences[0], sequences[-1], b"".join(entries)
        checksum = log_file.sha(b"L", before, first, self.now, last, self.now, len(entries), data=data)
        self.database.execute("REPLACE INTO log VALUES(?, ?, ?, ?, ?, ?, ?, ?)", (first, self.now, last, self.now, before, len(entries), checksum, data))

    def retain(self, sequence, user, session):
        raw = entry(sequence, self.now, user, session)
        checksum = log_file.sha(b"R", sequence, self.now, len(user), data=user.encode() + session.encode() + raw)
        self.database.execute("REPLACE INTO retained VALUES(?, ?, ?, ?, ?, ?)", (sequence, self.now, user, session, checksum, raw))

    def read(self):
        self.database.commit()
        self.reader.read()

    def finds(self, rule, text):
        self.read()
        self.assertTrue(any(r == rule and text in t for r, t in self.faults), self.faults)

    def test_a_good_file_is_read_once_and_then_only_what_is_new(self):
        self.read()
        self.row(104, [entry(110, self.now, id="c")])
        self.read()
        self.assertEqual(self.faults, [])
        found = [fields["id"] for what, fields in self.entries if what == "entry"]
        self.assertEqual(found, ["a", "r", "b", "c"])
        self.assertEqual([fields["after"] for what, fields in self.entries if what == "read"], ["%016x" % 100, "%016x" % 104])

    def test_rows_that_the_window_has_left_may_go(self):
        self.read()
        self.meta(floor=102, floor_ms=self.now - 30_000)
        self.database.execute("DELETE FROM log WHERE first = 101")
        self.read()
        self.assertEqual(self.faults, [])

    def test_a_bit_that_has_changed(self):
        self.database.execute("UPDATE log SET last_ms = last_ms + 1 WHERE first = 104")
        self.finds("2.1", "checksum of log row 104")

    def test_an_entry_that_cannot_be_read(self):
        self.row(104, [entry(105, self.now, id="c")[:-30] + b"?" + entry(105, self.now, id="c")[-29:]])
        self.finds("2.1", "reading 1")

    def test_a_row_that_is_missing_in_the_middle(self):
        self.row(106, [entry(107, self.now, id="c")])
        self.finds("2.1", "the row before log row 107")

    def test_a_durable_row_that_has_changed(self):
        self.read()
        self.row(102, [entry(104, self.now, id="other")])
        self.finds("2.1", "has changed or gone")

    def test_a_durable_row_that_has_gone_before_its_time(self):
        self.read()
        self.database.execute("DELETE FROM log WHERE first = 101")
        self.finds("2.1", "the floor lies between")

    def test_a_log_that_got_shorter(self):
        self.read()
        self.database.execute("DELETE FROM log WHERE first = 104")
        self.finds("2.1", "the log ends at")

    def test_entries_that_left_before_their_time(self):
        self.meta(floor=102, floor_ms=self.now - 5_000)
        self.finds("3.1", "entries left after")

    def test_a_log_that_begins_anew(self):
        self.read()
        self.meta(floor=100, start=99)
        self.finds("1.2", "the log begins at")

    def test_an_invalidation_that_is_not_retained(self):
        self.database.execute("DELETE FROM retained")
        self.finds("3.2", "not retained")

    def test_a_file_that_is_gone(self):
        self.read()
        self.database.close()
        (self.folder / "log.db").unlink()
        self.reader.read()
        self.assertEqual(self.faults[0][1], "the log file is gone or empty")


if __name__ == "__main__":
    unittest.main()
