"""How the judge looks at one connection of a client or of the prober."""
import bisect

CLOSED_WITHIN_S = 15  # after a client of the same gateway saw something newer than the invalidation


class Stay:
    """One connection: admission, order, completeness, and the end of a revoked one."""

    def __init__(self, judge, records):
        self.all, self.records = judge, records
        first = records[0]
        self.g, self.user, self.session, self.iat, self.presented = (first[k] for k in ("g", "user", "session", "iat", "cursor"))
        self.begun = first["t"]
        self.killer = judge.killer(self.user, self.session, self.iat)
        self.expected = None
        self.admitted_at = None

    def judge(self):
        for r in self.records:
            getattr(self, "_" + r["what"])(r)
        self._closed_in_time()
        self._vouched_for()

    def fault(self, rule, text):
        first = self.records[0]
        self.all.fault(rule, "%s/%s at %s, connection %d: %s" % (self.user, self.session, self.g, first["c"], text))

    def _connect(self, r):
        self.all.counts["probes" if r["probe"] else "client_connections"] += 1

    def _welcome(self, r):
        self.admitted_at = r["t"]
        self.all.counts["welcome_" + r["resume"]] += 1
        start = self.presented if r["resume"] == "resumed" else r["head"]
        if r["resume"] == "gap":
            self._explain_gap(r, self.presented)
        # The events still to come on this connection, as the log has them.
        mine = [e for e in self.all.by_user[self.user] if e["session"] in ("", self.session)]
        self.expected, self.cursors = mine, [e["cursor"] for e in mine]
        self._moved(start)
        if self.killer and r["head"] >= self.killer:
            self.fault("8.3", "admitted at %s though revoked by %s" % (r["head"], self.killer))

    def _explain_gap(self, r, position):
        """The log is never replaced here, so it is the window, or a gateway that lags behind another (7.4, 7.5)."""
        self.all.counts["gaps_" + (r["reason"] or "none")] += 1
        explained = {"evicted": self.all.evicted(position, "evicted", r["t"]) or self.all.silence_before(r["head"], r["t"]),
                     "future": r["head"] < position}
        if not explained.get(r["reason"]):
            self.fault("7.4", "a gap after %s, reason %r, head %s" % (position, r["reason"], r["head"]))

    def _event(self, r):
        self.all.counts["delivered"] += 1
        if self.killer and r["cursor"] > self.killer:
            self.fault("8.2", "got %s after its revocation %s" % (r["cursor"], self.killer))
        entry = self.all.by_cursor.get(r["cursor"])
        if entry is None or entry["digest"] != r["digest"] or entry["user"] != self.user or entry["session"] not in ("", self.session):
            self.fault("7.3", "got %s %s, the log has %s there" % (r["cursor"], r["id"], entry and (entry["user"], entry["session"], entry["id"])))
            return
        self._reached(r["cursor"], "event")
        self._moved(r["cursor"])

    def _moved(self, cursor):
        """Everything up to `cursor` is settled for this connection."""
        self.position = cursor
        self.next = bisect.bisect_right(self.cursors, cursor)

    def _reached(self, cursor, kind):
        """Everything before `cursor` must have come; an event must be the very next one."""
        place = bisect.bisect_left(self.cursors, cursor) if kind == "event" else bisect.bisect_right(self.cursors, cursor)
        if place > self.next:
            self.fault("7.1", "%s %s came while %d events were missing, the first %s" % (kind, cursor, place - self.next, self.cursors[self.next]))
        elif place < self.next and kind == "event":
            self.fault("7.1", "%s came again or late, after %s" % (cursor, self.cursors[self.next - 1]))

    def _caught_up(self, r):
        self._reached(r["cursor"], "caught_up")
        self._moved(max(self.position, r["cursor"]))

    def _position(self, r):
        self._reached(r["cursor"], "position")
        self._moved(max(self.position, r["cursor"]))

    def _gap(self, r):
        self._explain_gap(r, self.position)
        self._moved(r["head"])

    def _bye(self, r):
        self.all.counts["bye_%d" % r["code"]] += 1
        if r["code"] == 4503 and not self.killer:
            self.fault("8.5", "refused as revoked, and nobody revoked it")
        if r["code"] == 4504:
            self.fault("9.3", "closed as unvouched: the gateway thinks invalidations are lost")

    def _unverified(self, r):
        self.fault("7.3", "an event that does not verify: %s %s" % (r["cursor"], r["why"]))

    def _end(self, r):
        self.all.counts["ends"] += 1

    def _closed_in_time(self):
        """A revoked session's connection ends soon after its gateway has shown a newer cursor (8.1)."""
        if self.admitted_at is None or self.killer is None:
            return
        known = self._known_since(self.killer)
        end = self.records[-1]["t"] if self.records[-1]["what"] == "end" else float("inf")
        if known is not None and end > max(known, self.admitted_at) + CLOSED_WITHIN_S:
            self.fault("8.1", "still open %.1f s after its gateway had applied %s" % (end - known, self.killer))

    def _vouched_for(self):
        """What the gateway must have answered, since it was known to have processed the invalidation (8.3, 8.7)."""
        if self.killer is None:
            return
        known = self._known_since(self.killer)
        if self.admitted_at is not None and known is not None and known < self.begun:
            self.fault("8.7", "admitted, and its gateway had processed %s %.3f s before" % (self.killer, self.begun - known))
        stored = next((t for t, cursor in self.all.persisted.get(self.g, ()) if cursor >= self.killer), None)
        if stored is None or stored > self.begun:
            return
        self.all.counts["restarted_refusals"] += 1
        byes = [r["code"] for r in self.records if r["what"] == "bye"]
        if byes and byes[0] != 4503:
            self.fault("8.7", "revoked by %s, which its gateway had persisted, and was told %d" % (self.killer, byes[0]))

    def _known_since(self, cursor):
        """When a client first saw that the gateway had got to `cursor`, or None."""
        times, cursors = self.all.proven.get(self.g, ((), ()))
        at = bisect.bisect_left(cursors, cursor)
        return times[at] if at < len(cursors) else None
