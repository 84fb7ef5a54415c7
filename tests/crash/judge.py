#!/usr/bin/python3
"""Judges the history of a campaign: what was promised (docs/semantics.md) against what the observers saw.

    judge.py DIR     judges DIR/history again; exit 1 when something is wrong

Nothing here asks a process: it is a function of the records, so a history can be judged again and a planted
fault in a history must be found (judge_test.py).
"""
import bisect, collections, pathlib, re, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gateway_file, history, wire
from stay import Stay

SLACK_S = 1  # between a reading of the clock there and here
AFTER_SILENCE_S = 15  # until every gateway is back after a silence


class Judge:
    """`faults` are sentences that begin with the rule they break; `counts` say how much there was to judge."""

    def __init__(self, folder):
        self.faults = []
        self.counts = collections.Counter()
        self.log = history.load(folder, "log")
        self.recorder = history.load(folder, "recorder")
        self.publishers = history.load(folder, "publisher-")
        self.clients = history.load(folder, "client-")
        self.gateway_files = history.load(folder, "gateway-file")
        self.listeners = history.load(folder, "listener")
        self.main = history.load(folder, "main")
        setting = next((r for r in self.main if r["what"] == "setting"), {"wall_offset_s": 0.0, "window_s": 300})
        self.wall_offset_s, self.window_s = setting["wall_offset_s"], setting["window_s"]

    def fault(self, rule, text):
        self.faults.append("%s: %s" % (rule, text))

    def text(self):
        """The counts, and of each kind of fault the first few."""
        lines = ["  %-28s %d" % item for item in sorted(self.counts.items())]
        kinds = collections.defaultdict(list)
        for fault in self.faults:
            kinds[re.sub(r"[0-9a-f]*\d[0-9a-f.-]*", "#", fault)[:60]].append(fault)
        for faults in kinds.values():
            lines += ["FAULT " + fault for fault in faults[:3]] + ["      and %d more such" % (len(faults) - 3)] * (len(faults) > 3)
        return "\n".join(lines)

    def judge(self):
        self._build_truth()
        self._publishers()
        self._recorder_streams()
        self._index()
        self._gateway_files()
        self._connections()
        self._listeners()
        self._observed()
        return self

    # What the log is: the recorder's stream and, where the engine is durable, the files after each kill.
    def _build_truth(self):
        by_cursor, files = {}, {}
        for record in self.recorder + self.log:
            if record["what"] != "entry":
                continue
            known = by_cursor.setdefault(record["cursor"], record)
            if known["raw"] != record["raw"]:
                self.fault("1.1", "cursor %s was given to %s %s and to %s %s" % (record["cursor"], known["type"], known["id"], record["type"], record["id"]))
        for record in self.log:
            if record["what"] == "entry":
                files[record["cursor"]] = record
        self.truth = sorted(by_cursor.values(), key=lambda r: r["cursor"])
        self.order = [e["cursor"] for e in self.truth]
        times = [wire.cursor_parts(cursor)[1] for cursor in self.order]
        self.silences = [(a, later) for a, earlier, later in zip(self.order, times, times[1:]) if later - earlier > 1000 * (self.window_s - SLACK_S)]
        self.by_cursor = by_cursor
        self.in_files = files
        sequences = collections.Counter(r["cursor"][:16] for r in self.truth)
        for sequence in [s for s, n in sequences.items() if n > 1]:
            self.fault("1.2", "the sequence %s was given twice" % sequence)
        # What the files were seen to hold without a hole: (after, head], in sequences.
        self.covered = [(r["after"], r["head"]) for r in self.log if r["what"] == "read"]
        for record in self.recorder:
            # What the backend sent was durable before it was sent.
            if record["what"] == "entry" and self.missing_in_files(record["cursor"]):
                self.fault("2.1", "%s %s was sent to a subscriber and is in no file" % (record["cursor"], record["id"]))
        self.counts["log_readings"] = len(self.covered)
        self.counts["log_readings_with_rows_to_trim"] = sum(r["what"] == "read" and r["rows_due"] > 0 for r in self.log)
        self.counts["entries"] = len(self.truth)
        self.counts["entries_in_files"] = len(files)

    def missing_in_files(self, cursor):
        return cursor not in self.in_files and any(after < cursor[:16] <= head for after, head in self.covered)

    def _publishers(self):
        sent, acks = {}, collections.defaultdict(list)
        for r in self.publishers:
            key = (r.get("user"), r.get("session"), r.get("id"))
            if r["what"] == "sent":
                sent[key] = r["digest"]
            elif r["what"] == "ack":
                acks[key].append(r)
            elif r["what"] == "refused":
                self.fault("2.3", "the good event %s was refused: %s" % (key, r["error"]))
            elif r["what"] == "conflict" and r["error"] != "already_exists":
                self.fault("2.2", "another payload under the key %s: %s %s" % (key, r["error"], r["cursor"]))
            self.counts["publisher_" + r["what"]] += 1
        found = collections.defaultdict(list)
        for entry in self.truth:
            if entry["user"] == wire.CANARY_USER:
                self.counts["canaries"] += 1
                continue
            key = (entry["user"], entry["session"], entry["id"])
            found[key].append(entry)
            if sent.get(key) != entry["digest"]:
                self.fault("2.1", "%s %s is in the log and was not sent, or not with these bytes" % (entry["cursor"], key))
        for key, entries in found.items():
            if len(entries) > 1:
                self.fault("2.2", "%s is in the log %d times: %s" % (key, len(entries), [e["cursor"] for e in entries]))
        for key, results in acks.items():
            cursors = {r["cursor"] for r in results}
            if len(cursors) > 1 or sum(not r["duplicate"] for r in results) > 1:
                self.fault("2.2", "%s was acknowledged as %s" % (key, [(r["cursor"], r["duplicate"]) for r in results]))
            for cursor in cursors:
                entry = self.by_cursor.get(cursor)
                if entry is None or (entry["user"], entry["session"], entry["id"]) != key:
                    self.fault("2.1", "%s was acknowledged as %s, where the log has %s" % (key, cursor, entry and entry["id"]))
                elif self.missing_in_files(cursor):
                    self.fault("2.1", "%s was acknowledged as %s and is in no file" % (key, cursor))
        self.counts["acknowledged"] = len(acks)
        self.counts["duplicates"] = sum(r["duplicate"] for results in acks.values() for r in results)
        first = [min(results, key=lambda r: r["t"]) for results in acks.values()]
        self.counts["retried_was_new"] = sum(r["attempts"] > 1 and not r["duplicate"] for r in first)
        self.counts["retried_was_published"] = sum(r["attempts"] > 1 and r["duplicate"] for r in first)
        self._real_time([r for results in acks.values() for r in results if not r["duplicate"]])

    def _real_time(self, acks):
        """A publish that began after another was acknowledged has the greater cursor (1.3, 2.1)."""
        ends = sorted(acks, key=lambda r: r["t"])
        newest, at = "", 0
        for ack in sorted(acks, key=lambda r: r["begun"]):
            while at < len(ends) and ends[at]["t"] < ack["begun"]:
                newest = max(newest, ends[at]["cursor"])
                at += 1
            if ack["cursor"] <= newest:
                self.fault("1.2", "%s got %s after %s had been acknowledged" % (ack["id"], ack["cursor"], newest))

    def _recorder_streams(self):
        """Every stream of each recorder resumed, rises, and has no hole (4.2, 4.3)."""
        by_recorder = collections.defaultdict(list)
        for r in self.recorder:
            by_recorder[r.get("recorder", "recorder")].append(r)
        for name, records in by_recorder.items():
            self._recorder_stream(name, records)

    def _recorder_stream(self, name, records):
        position, generation, due = None, 0, []
        for r in records:
            if r["what"] == "stream":
                self.counts["recorder_streams"] += 1
                if r["generation"] <= generation:
                    self.fault("4.1", "the generation of the %s went from %d to %d" % (name, generation, r["generation"]))
                generation, due = r["generation"], []
                if r["cursor"] and r["resume"] != "resumed":
                    self.counts["recorder_gaps"] += 1
                    if not self.evicted(r["cursor"], r["reason"], r["t"]):
                        self.fault("4.2", "the %s's cursor %s: %s %s" % (name, r["cursor"], r["resume"], r["reason"]))
                    due = self.retained_between(r["cursor"], r["start"])
                if position is None or r["resume"] != "resumed":
                    position = r["start"]
            elif r["what"] == "entry":
                # After a gap the retained invalidations come first, then the log.
                at = bisect.bisect_right(self.order, position)
                expected = due.pop(0) if due else self.order[at] if at < len(self.order) else None
                if r["cursor"] != expected:
                    self.fault("4.3", "after %s the %s got %s and not %s" % (position, name, r["cursor"], expected))
                position = max(position, r["cursor"])

    def retained_between(self, after, upto):
        """The invalidations of (after, upto] that are the newest of their session up to there (3.2)."""
        newest = {(e["user"], e["session"]): e["cursor"] for e in self.truth if e["type"] == "invalidation" and e["cursor"] <= upto}
        return sorted(cursor for cursor in newest.values() if cursor > after)

    def evicted(self, cursor, reason, t):
        """Whether a gap after `cursor` is explained: the entry that follows is older than the window (3.1, 4.2)."""
        at = bisect.bisect_right(self.order, cursor)
        if reason != "evicted" or at >= len(self.order):
            return False
        age_s = t + self.wall_offset_s - wire.cursor_parts(self.order[at])[1] / 1000
        return age_s > self.window_s - SLACK_S

    def silence_before(self, head, t):
        """Whether the log was silent for a window until a moment ago: a gateway that lacked what came before the silence has a
        gap of its own, and tells clients so that knew more than it did (7.5)."""
        now_ms = (t + self.wall_offset_s) * 1000
        return any(a <= head and now_ms - ms < AFTER_SILENCE_S * 1000 for a, ms in self.silences)

    def _index(self):
        self.by_user = collections.defaultdict(list)
        self.invalidations = collections.defaultdict(list)
        for e in self.truth:
            (self.by_user if e["type"] == "event" else self.invalidations)[e["user"]].append(e)

    def killer(self, user, session, iat):
        """The first invalidation that meets a session that began at `iat` (8.5), or None."""
        for e in self.invalidations[user]:
            if e["session"] == session or (e["session"] == "" and iat <= wire.cursor_parts(e["cursor"])[1] // 1000):
                return e["cursor"]
        return None

    def _gateway_files(self):
        """What each gateway had persisted when it died (7.2, 8.7)."""
        self.persisted = collections.defaultdict(list)  # gateway -> [(t, cursor)], rising
        newest = {}
        for r in self.gateway_files:
            g, cursor = r["gateway"], r["cursor"]
            self.counts["gateway_files"] += 1
            if cursor < newest.get(g, ""):
                self.fault("7.2", "the persisted cursor of %s fell from %s to %s" % (g, newest[g], cursor))
            newest[g] = max(cursor, newest.get(g, ""))
            if cursor:
                self.persisted[g].append((r["t"], cursor))
            if cursor and self.truth and cursor > self.truth[-1]["cursor"]:
                self.fault("7.2", "%s persisted %s, the log ends at %s" % (g, cursor, self.truth[-1]["cursor"]))
            if not r["secret"]:
                continue
            for user, entries in self.invalidations.items():
                for e in entries:
                    seconds = r["revoked"].get(gateway_file.key(r["secret"], user, e["session"]), -1)
                    if e["cursor"] <= cursor and seconds < wire.cursor_parts(e["cursor"])[1] // 1000:
                        self.fault("8.7", "%s persisted %s without the invalidation %s of %s/%s (has %d)" % (g, cursor, e["cursor"], user, e["session"], seconds))
            self.counts["revocations_persisted"] = max(self.counts["revocations_persisted"], len(r["revoked"]))

    def _connections(self):
        """Each connection on its own, then what gateways knew when they admitted one."""
        by_connection = collections.defaultdict(list)
        gateway_of, seen = {}, collections.defaultdict(list)
        for r in self.clients:
            by_connection[r["c"]].append(r)
            if r["what"] == "connect":
                gateway_of[r["c"]] = r["g"]
            cursor = r.get("head") if r["what"] in ("welcome", "gap") else r.get("cursor") if r["what"] in ("event", "position", "caught_up") else None
            if cursor:
                seen[gateway_of[r["c"]]].append((r["t"], cursor))
        self.proven = {g: rising(points) for g, points in seen.items()}
        for records in by_connection.values():
            Stay(self, records).judge()
        self.counts["connections"] = len(by_connection)
        self._refused_stays_refused(by_connection.values())
        self._admitted_in_the_dark(by_connection.values())

    def _admitted_in_the_dark(self, connections):
        """A gateway that was started while the backend was dead admits nobody (9.1, 9.2)."""
        dark = [(r["gateway"], r["begun"], r["t"]) for r in self.main if r["what"] == "dark"]
        self.counts["dark_starts"] = len(dark)
        for records in connections:
            first = records[0]
            for gateway, begun, end in dark:
                if first["g"] == gateway and first["t"] > begun and any(r["what"] == "welcome" and r["t"] < end for r in records):
                    self.fault("9.1", "%s admitted %s/%s and had heard nothing from the backend" % (gateway, first["user"], first["session"]))

    def _refused_stays_refused(self, connections):
        """A gateway that refused a credential as revoked never admits it again (8.1, 8.7)."""
        refused = {}
        for records in sorted(connections, key=lambda rs: rs[0]["t"]):
            first = records[0]
            key = (first["g"], first["user"], first["session"], first["iat"])
            for r in records:
                if r["what"] == "bye" and r["code"] == 4503:
                    refused[key] = min(r["t"], refused.get(key, r["t"]))
                if r["what"] == "welcome" and first["t"] > refused.get(key, first["t"]):
                    self.fault("8.7", "%s admitted %s again that it had refused as revoked" % (first["g"], key[1:]))

    def _listeners(self):
        """The client library hands on each event once, in order, and tells its gaps (7.1)."""
        for r in self.listeners:
            expected = [e for e in self.by_user[r["user"]] if e["session"] in ("", r["session"]) and e["cursor"] > r["from"]]
            places = {e["cursor"]: n for n, e in enumerate(expected)}
            last = -1
            for event in r["events"]:
                place = places.get(event["cursor"])
                if place is None or expected[place]["digest"] != event["digest"] or not event["verified"]:
                    self.fault("7.3", "listen %s printed %s, which is not an event of its session" % (r["user"], event["cursor"]))
                    continue
                if place <= last:
                    self.fault("7.1", "listen %s printed %s after %s" % (r["user"], event["cursor"], expected[last]["cursor"]))
                elif place > last + 1 and not r["gaps"]:
                    self.fault("7.1", "listen %s missed %d events before %s, told no gap" % (r["user"], place - last - 1, event["cursor"]))
                last = place
            self.counts["listened"] += len(r["events"])
            self.counts["listener_gaps"] += r["gaps"]
            if r["unverified"]:
                self.fault("7.3", "listen %s got %d events that do not verify" % (r["user"], r["unverified"]))
            if last != len(expected) - 1 and not r["gaps"]:
                self.fault("7.1", "listen %s ends %d events before the log does" % (r["user"], len(expected) - 1 - last))

    def _observed(self):
        """What the campaign itself saw go wrong, and how often it did what."""
        for r in self.main:
            if r["what"] == "fault":
                self.fault(r["rule"], r["text"])
            elif r["what"] == "kill":
                self.counts["kills_" + r["role"]] += 1
                self.counts["kills_%s_%s" % (r["role"], r["aim"])] += 1
            elif r["what"] in ("pause", "sweep"):
                self.counts[r["what"]] += 1


def rising(points):
    """(times, cursors) of the points that are new heights."""
    times, cursors = [], []
    for t, cursor in sorted(points):
        if not cursors or cursor > cursors[-1]:
            times.append(t)
            cursors.append(cursor)
    return times, cursors


def main():
    verdict = Judge(pathlib.Path(sys.argv[1]) / "history").judge()
    print(verdict.text())
    sys.exit(1 if verdict.faults else 0)


if __name__ == "__main__":
    main()
