"""The log file of a durable backend (docs/formats/log.md), read and checked without the project's code."""
import hashlib, pathlib, struct, time

import database_copy
import wire

APPLICATION_ID, VERSION = 0x47504C47, 1


class Damaged(Exception):
    """The file is not what docs/formats/log.md says."""


def path(data):
    return pathlib.Path(data) / "log.db"


class Row:
    """A row of `log`, its checksum verified."""

    def __init__(self, first, first_ms, last, last_ms, before, entries, checksum, data):
        expect("checksum of log row %d" % first, checksum, sha(b"L", before, first, first_ms, last, last_ms, entries, data=data))
        expect("order of log row %d" % first, True, before < first <= last)
        self.first, self.first_ms, self.last, self.last_ms, self.before, self.count, self.data = first, first_ms, last, last_ms, before, entries, data
        self.checksum = checksum

    def entries(self):
        found = wire.entries(self.data)
        sequences = [e.sequence for e in found]
        expect("entries of log row %d" % self.first, (self.count, self.first, self.last), (len(found), sequences[0], sequences[-1]))
        expect("order within log row %d" % self.first, sequences, sorted(set(sequences)))
        expect("times of log row %d" % self.first, (self.first_ms, self.last_ms), (found[0].ms, found[-1].ms))
        return found


class Contents:
    """All of a file. `entries` are those after the floor, in order; `retained` maps (user, session) to a cursor."""

    def __init__(self, database):
        expect("application_id", APPLICATION_ID, one(database, "PRAGMA application_id"))
        expect("user_version", VERSION, one(database, "PRAGMA user_version"))
        (*numbers, checksum), = database.execute("SELECT start_sequence, start_ms, floor_sequence, floor_ms, retained_floor, checksum FROM meta")
        expect("checksum of meta", checksum, sha(b"M", *numbers))
        self.start, _, self.floor, self.floor_ms, _ = numbers
        self.rows = [Row(*row) for row in database.execute("SELECT first, first_ms, last, last_ms, before, entries, checksum, bytes FROM log ORDER BY first")]
        for earlier, later in zip(self.rows, self.rows[1:]):
            expect("the row before log row %d" % later.first, earlier.last, later.before)
        self.head = self.rows[-1].last if self.rows else self.floor
        if self.rows:
            expect("the floor lies between the rows' ends", True, self.rows[0].before <= self.floor <= self.head)
        expect("the start lies before everything", True, self.start <= self.floor)
        self.retained = {}
        for sequence, ms, user, session, checksum, raw in database.execute("SELECT sequence, ms, user_id, device_session_id, checksum, entry FROM retained"):
            expect("checksum of retained %d" % sequence, checksum, sha(b"R", sequence, ms, len(user.encode()), data=user.encode() + session.encode() + raw))
            entry, = wire.entries(raw)
            expect("retained %d" % sequence, ("invalidation", user, session, sequence, ms), (entry.type, entry.user, entry.session, entry.sequence, entry.ms))
            self.retained[user, session] = entry.cursor

    @property
    def entries(self):
        return [e for row in self.rows for e in row.entries() if e.sequence > self.floor]


def load(data, scratch):
    with database_copy.opened(path(data), scratch) as database:
        return Contents(database)


def one(database, query):
    (value,), = database.execute(query)
    return value


def sha(kind, *numbers, data=b""):
    return hashlib.sha256(kind + b"".join(struct.pack(">Q", n) for n in numbers) + data).digest()[:16]


def expect(what, wanted, found):
    if wanted != found:
        raise Damaged("%s: %r is not %r" % (what, found, wanted))


class Reader:
    """Reads the file after each death, compares it with what it read before, and records what is new.

    Faults go to `main` as the campaign's own observations: a row that changed or vanished, a log that got shorter, an
    entry that left before its time, an invalidation that is not retained.
    """

    def __init__(self, data, scratch, window_s, record, main):
        self.data, self.scratch, self.window_s, self.record, self.main = data, scratch, window_s, record, main
        self.checksums = {}  # first sequence -> (last, checksum) of the rows that were ever seen and may be there
        self.head, self.floor, self.start = 0, 0, None
        self.retained = {}  # (user, session) -> cursor of the newest invalidation that was seen
        self.reads = 0

    def read(self):
        self.reads += 1
        try:
            with database_copy.opened(path(self.data), self.scratch) as database:
                if database is None or not one(database, "SELECT count(*) FROM sqlite_schema"):
                    self._fault_unless("2.1", self.head == 0, "the log file is gone or empty")
                    return
                self._compare(Contents(database))
        except (Damaged, wire.Malformed, AssertionError) as damage:
            self._fault_unless("2.1", False, "reading %d: %s" % (self.reads, damage))

    def _compare(self, now):
        self._fault_unless("1.2", self.start in (None, now.start), "the log begins at %x and did at %x" % (now.start, self.start or 0))
        self._fault_unless("2.1", now.head >= self.head, "the log ends at %x and had %x" % (now.head, self.head))
        self._fault_unless("2.1", now.floor >= self.floor, "the floor fell from %x to %x" % (self.floor, now.floor))
        wall_ms = time.time() * 1000
        self._fault_unless("3.1", now.floor == now.start or now.floor_ms <= wall_ms - 1000 * (self.window_s - 1),
                           "entries left after %.1f s" % ((wall_ms - now.floor_ms) / 1000))
        self._known_rows(now)
        fresh = [e for row in now.rows if row.first > self.head for e in row.entries()]
        for entry in fresh:
            self.record("entry", **entry.record())
            if entry.type == "invalidation":
                self.retained[entry.user, entry.session] = entry.cursor
        self._fault_unless("3.2", all(now.retained.get(who, "") >= cursor for who, cursor in self.retained.items()), "an invalidation is not retained")
        due = sum(row.last_ms < wall_ms - 1000 * self.window_s for row in now.rows)
        self.record("read", after="%016x" % max(self.head, now.floor), head="%016x" % now.head, rows=len(now.rows), rows_due=due, retained=len(now.retained))
        self.head, self.floor, self.start = now.head, now.floor, now.start

    def _known_rows(self, now):
        rows = {row.first: (row.last, row.checksum) for row in now.rows}
        for first, known in self.checksums.items():
            gone = first not in rows and known[0] <= now.floor
            self._fault_unless("2.1", gone or rows.get(first) == known, "the row %x, which was durable, has changed or gone" % first)
        for first in rows:
            self._fault_unless("2.1", first in self.checksums or first > self.head, "the row %x has come between older ones" % first)
        self.checksums = rows

    def _fault_unless(self, rule, good, text):
        if not good:
            self.main("fault", rule=rule, text=text)
