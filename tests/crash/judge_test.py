"""The judge of the crash campaign finds each kind of fault in a history, and none in a good one.

A campaign that passes says something only if its judge can say no. Each test takes the good history below,
spoils one thing, and names the rule that must be reported.
"""
import copy, json, pathlib, sys, tempfile, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gateway_file, wire
from judge import Judge

MS = 0x19AADA78000
SECRET = bytes(range(16)).hex()


def cursor(n):
    return "%016x-%012x" % ((MS << 16) + n, MS + 1000 * n)


def entry(n, type, user, session, id, content="x"):
    digest = wire.digest(type, user, session, id, content)
    return {"t": float(n), "what": "entry", "cursor": cursor(n), "type": type, "user": user, "session": session, "id": id, "digest": digest, "raw": digest}


def good():
    """Seven entries; one client of u/s at gw that resumes once; u/s is revoked at the end; a probe is refused."""
    log = [entry(1, "event", "u", "", "a"), entry(2, "event", "v", "", "b"), entry(3, "event", "u", "s", "c"), entry(4, "event", "u", "other", "d"),
           entry(5, "event", "u", "", "e"), entry(6, "invalidation", "u", "s", "i-1"), entry(7, "event", "u", "", "f")]
    publishers = []
    for e in log:
        key = {k: e[k] for k in ("user", "session", "id")}
        publishers.append({"t": e["t"] + 0.1, "what": "sent", "digest": e["digest"], **key})
        publishers.append({"t": e["t"] + 0.2, "what": "ack", "cursor": e["cursor"], "duplicate": False, "begun": e["t"] + 0.1, "attempts": 1, **key})

    def connect(c, t, presented="", g="gw", probe=False):
        return {"t": t, "what": "connect", "c": c, "g": g, "user": "u", "session": "s", "iat": 0, "cursor": presented, "probe": probe}

    def event(c, t, n):
        return {"t": t, "what": "event", "c": c, "cursor": cursor(n), "id": log[n - 1]["id"], "digest": log[n - 1]["digest"]}
    clients = [
        connect(1, 0.1), {"t": 0.2, "what": "welcome", "c": 1, "resume": "fresh", "reason": "", "head": cursor(0)}, event(1, 1.5, 1),
        {"t": 2.5, "what": "position", "c": 1, "cursor": cursor(2)}, {"t": 2.6, "what": "end", "c": 1, "why": "left"},
        connect(2, 3.5, cursor(2)), {"t": 3.6, "what": "welcome", "c": 2, "resume": "resumed", "reason": "", "head": cursor(3)}, event(2, 3.7, 3),
        {"t": 3.8, "what": "caught_up", "c": 2, "cursor": cursor(3)}, event(2, 5.5, 5),
        {"t": 6.5, "what": "bye", "c": 2, "code": 4503, "verdict": "never", "reason": "i-1"}, {"t": 6.6, "what": "end", "c": 2, "why": "bye"},
        connect(3, 9, probe=True), {"t": 9.1, "what": "bye", "c": 3, "code": 4503, "verdict": "never", "reason": "i-1"}, {"t": 9.2, "what": "end", "c": 3, "why": "bye"}]
    return {
        "log": [*copy.deepcopy(log), {"t": 8.5, "what": "read", "after": cursor(0)[:16], "head": cursor(7)[:16], "rows": 1, "rows_due": 0, "retained": 1}],
        "recorder": [{"t": 0.0, "what": "stream", "cursor": "", "resume": "fresh", "reason": "", "start": cursor(0), "head": cursor(0), "generation": 1},
                     *copy.deepcopy(log)],
        "publisher-p": publishers, "client-s": clients,
        "gateway-file": [{"t": 3.0, "what": "state", "gateway": "gw", "cursor": cursor(2), "secret": SECRET, "revoked": {}},
                         {"t": 8.0, "what": "state", "gateway": "gw", "cursor": cursor(7), "secret": SECRET,
                          "revoked": {gateway_file.key(SECRET, "u", "s"): wire.cursor_parts(cursor(6))[1] // 1000}}],
        "listener": [{"t": 9.9, "what": "listened", "user": "v", "session": "x", "from": "", "gaps": 0, "unverified": 0,
                      "events": [{"cursor": cursor(2), "digest": log[1]["digest"], "verified": True}]}],
        "main": [{"t": 2.0, "what": "kill", "role": "gateway", "node": "gw", "aim": "random", "number": 1}]}


class JudgeTest(unittest.TestCase):
    def judge(self, history):
        with tempfile.TemporaryDirectory() as folder:
            for name, records in history.items():
                (pathlib.Path(folder) / (name + ".ndjson")).write_text("".join(json.dumps(r) + "\n" for r in records))
            return Judge(folder).judge()

    def finds(self, rule, text, spoil):
        history = good()
        spoil(history)
        faults = self.judge(history).faults
        self.assertTrue(any(f.startswith(rule + ":") and text in f for f in faults), "%s %r is not among %s" % (rule, text, faults))

    @staticmethod
    def of(history, name, **wanted):
        return next(r for r in history[name] if all(r.get(k) == v for k, v in wanted.items()))

    def drop(self, history, name, **wanted):
        history[name].remove(self.of(history, name, **wanted))

    def test_a_good_history_has_no_fault(self):
        verdict = self.judge(good())
        self.assertEqual(verdict.faults, [])
        self.assertEqual((verdict.counts["acknowledged"], verdict.counts["delivered"], verdict.counts["probes"]), (7, 3, 1))

    # The log
    def test_an_acknowledged_entry_that_is_in_no_log(self):
        def spoil(h):
            self.drop(h, "log", id="b"), self.drop(h, "recorder", id="b")
        self.finds("2.1", "was acknowledged as", spoil)

    def test_an_acknowledged_entry_that_is_not_in_the_file(self):
        self.finds("2.1", "is in no file", lambda h: self.drop(h, "log", id="e"))
        self.finds("2.1", "sent to a subscriber and is in no file", lambda h: self.drop(h, "log", id="e"))

    def test_an_entry_that_nobody_sent(self):
        self.finds("2.1", "was not sent", lambda h: [h[n].append(entry(8, "event", "w", "", "ghost")) for n in ("log", "recorder")])

    def test_an_entry_with_other_bytes_than_were_sent(self):
        self.finds("2.1", "not with these bytes", lambda h: self.of(h, "publisher-p", what="sent", id="c").update(digest="0" * 24))

    def test_an_entry_that_is_in_the_log_twice(self):
        self.finds("2.2", "2 times", lambda h: [h[n].append(entry(8, "event", "v", "", "b")) for n in ("log", "recorder")])

    def test_a_retry_that_was_acknowledged_with_another_cursor(self):
        self.finds("2.2", "was acknowledged as", lambda h: h["publisher-p"].append(dict(self.of(h, "publisher-p", what="ack", id="a"), cursor=cursor(2), duplicate=True)))

    def test_a_key_that_took_another_payload(self):
        self.finds("2.2", "another payload", lambda h: h["publisher-p"].append({"t": 9, "what": "conflict", "error": None, "cursor": cursor(1), "user": "v", "session": "", "id": "b"}))

    def test_a_cursor_that_two_entries_got(self):
        self.finds("1.1", "was given to", lambda h: self.of(h, "log", id="b").update(id="z", raw="other"))

    def test_a_sequence_that_was_given_again_after_a_crash(self):
        def spoil(h):
            again = entry(8, "event", "v", "", "late")
            again["cursor"] = cursor(7)[:17] + cursor(8)[17:]
            h["log"].append(again)
        self.finds("1.2", "was given twice", spoil)

    def test_a_cursor_below_one_that_was_acknowledged_before(self):
        self.finds("1.2", "had been acknowledged", lambda h: self.of(h, "publisher-p", what="ack", id="b").update(begun=7.5, t=7.6))

    def test_a_stream_with_a_hole(self):
        self.finds("4.3", "the recorder got", lambda h: self.drop(h, "recorder", id="d"))

    def test_a_stream_that_could_not_resume(self):
        stream = {"t": 7.5, "what": "stream", "cursor": cursor(7), "resume": "gap", "reason": "unknown", "start": cursor(7), "head": cursor(7), "generation": 2}
        self.finds("4.2", "gap unknown", lambda h: h["recorder"].append(stream))

    def gap_of_the_recorder(self, h):
        """The recorder came back with cursor 4 when the window began after 7."""
        h["main"].append({"t": 0, "what": "setting", "wall_offset_s": MS / 1000 + 100, "window_s": 20})
        h["recorder"] = [r for r in h["recorder"] if r["t"] < 5]
        h["recorder"].append({"t": 8, "what": "stream", "cursor": cursor(4), "resume": "gap", "reason": "evicted", "start": cursor(7), "head": cursor(7), "generation": 2})
        h["recorder"].append(dict(self.of(h, "log", id="i-1"), t=8.1))

    def test_a_gap_that_begins_with_the_retained_invalidations(self):
        history = good()
        self.gap_of_the_recorder(history)
        self.assertEqual(self.judge(history).faults, [])

    def test_a_gap_that_begins_without_a_retained_invalidation(self):
        def spoil(h):
            self.gap_of_the_recorder(h)
            h["recorder"][-1] = entry(8, "event", "v", "", "g")
            h["log"].append(entry(8, "event", "v", "", "g"))
        self.finds("4.3", "and not " + cursor(6), spoil)

    def test_a_generation_that_falls(self):
        stream = {"t": 7.5, "what": "stream", "cursor": cursor(7), "resume": "resumed", "reason": "", "start": cursor(7), "head": cursor(7), "generation": 1}
        self.finds("4.1", "generation", lambda h: h["recorder"].append(stream))

    # The gateways' files
    def test_a_persisted_cursor_that_fell(self):
        self.finds("7.2", "fell", lambda h: h["gateway-file"].append({"t": 9, "what": "state", "gateway": "gw", "cursor": cursor(4), "secret": "", "revoked": {}}))

    def test_a_cursor_that_was_persisted_before_its_invalidation(self):
        self.finds("8.7", "without the invalidation", lambda h: self.of(h, "gateway-file", t=8.0).update(revoked={}))

    def test_a_revocation_that_was_persisted_with_an_older_time(self):
        def spoil(h):
            self.of(h, "gateway-file", t=8.0)["revoked"] = {gateway_file.key(SECRET, "u", "s"): wire.cursor_parts(cursor(6))[1] // 1000 - 1}
        self.finds("8.7", "without the invalidation", spoil)

    def test_a_persisted_cursor_beyond_the_log(self):
        self.finds("7.2", "the log ends", lambda h: self.of(h, "gateway-file", t=8.0).update(cursor=cursor(9)))

    # The clients
    def test_a_missed_event_before_another(self):
        self.finds("7.1", "were missing", lambda h: self.drop(h, "client-s", what="event", cursor=cursor(3)))

    def test_a_missed_event_before_a_position(self):
        self.finds("7.1", "position", lambda h: self.drop(h, "client-s", what="event", cursor=cursor(1)))

    def test_an_event_that_came_twice(self):
        self.finds("7.1", "again or late", lambda h: h["client-s"].append(dict(self.of(h, "client-s", what="event", cursor=cursor(3)), t=5.6)))

    def test_an_event_of_another_session(self):
        def spoil(h):
            other = h["log"][3]
            h["client-s"].append({"t": 4.5, "what": "event", "c": 2, "cursor": other["cursor"], "id": "d", "digest": other["digest"]})
        self.finds("7.3", "the log has", spoil)

    def test_an_event_with_other_bytes(self):
        self.finds("7.3", "the log has", lambda h: self.of(h, "client-s", what="event", cursor=cursor(5)).update(digest="0" * 24))

    def test_an_event_that_does_not_verify(self):
        self.finds("7.3", "does not verify", lambda h: h["client-s"].append({"t": 5.6, "what": "unverified", "c": 2, "cursor": "?", "why": "bad signature"}))

    def test_an_event_after_the_revocation(self):
        def spoil(h):
            self.of(h, "client-s", what="bye", c=2).update(t=7.5)
            h["client-s"].append({"t": 7.2, "what": "event", "c": 2, "cursor": cursor(7), "id": "f", "digest": h["log"][6]["digest"]})
        self.finds("8.2", "after its revocation", spoil)

    def test_a_gap_that_nobody_can_explain(self):
        self.finds("7.4", "unknown", lambda h: self.of(h, "client-s", what="welcome", c=2).update(resume="gap", reason="unknown"))

    def test_a_gap_that_the_window_explains_is_none_to_complain_of(self):
        history = good()
        history["main"].append({"t": 0, "what": "setting", "wall_offset_s": MS / 1000 + 100, "window_s": 20})
        self.of(history, "client-s", what="welcome", c=2).update(resume="gap", reason="evicted")
        self.drop(history, "client-s", what="event", cursor=cursor(3))
        self.assertEqual(self.judge(history).faults, [])

    def test_a_gap_for_an_entry_that_is_still_in_the_window(self):
        def spoil(h):
            h["main"].append({"t": 0, "what": "setting", "wall_offset_s": MS / 1000, "window_s": 20})
            self.of(h, "client-s", what="welcome", c=2).update(resume="gap", reason="evicted")
        self.finds("7.4", "evicted", spoil)

    def test_a_revoked_session_that_was_admitted_by_a_gateway_that_knew(self):
        welcome = {"t": 9.1, "what": "welcome", "c": 3, "resume": "fresh", "reason": "", "head": cursor(7)}
        self.finds("8.3", "though revoked", lambda h: h["client-s"].append(welcome))

    def test_a_revoked_session_that_came_back_at_a_restarted_gateway(self):
        def spoil(h):  # the gateway has forgotten everything, so its head says nothing
            h["client-s"].append({"t": 9.1, "what": "welcome", "c": 3, "resume": "fresh", "reason": "", "head": cursor(1)})
        self.finds("8.7", "again that it had refused", spoil)

    def test_a_revoked_session_that_another_gateway_is_known_to_have_met(self):
        def spoil(h):
            h["client-s"] += [dict(r, c=r["c"] + 10, g="two", user="v", session="x") for r in h["client-s"] if r["what"] == "connect" and r["c"] == 1]
            h["client-s"] += [{"t": 7.5, "what": "position", "c": 11, "cursor": cursor(7)}]
            probe = self.of(h, "client-s", what="connect", c=3)
            h["client-s"] += [dict(probe, c=4, g="two"), {"t": 9.1, "what": "welcome", "c": 4, "resume": "fresh", "reason": "", "head": cursor(1)}]
            h["client-s"].insert(len(h["client-s"]) - 3, {"t": 0.3, "what": "welcome", "c": 11, "resume": "fresh", "reason": "", "head": cursor(2)})
        self.finds("8.7", "had processed", spoil)

    def test_a_revocation_that_a_restarted_gateway_has_forgotten(self):
        self.finds("8.7", "was told 4453", lambda h: self.of(h, "client-s", what="bye", c=3).update(code=4453, verdict="resume"))

    def test_a_revoked_connection_that_stays_open(self):
        def spoil(h):
            self.drop(h, "client-s", what="bye", c=2)
            self.of(h, "client-s", what="end", c=2).update(t=60)
            h["client-s"] += [dict(self.of(h, "client-s", what="connect", c=1), c=5, t=6.7, user="v", session="x"),
                              {"t": 6.8, "what": "welcome", "c": 5, "resume": "fresh", "reason": "", "head": cursor(7)}]
        self.finds("8.1", "still open", spoil)

    def test_a_session_that_was_refused_and_not_revoked(self):
        def spoil(h):
            for name in ("log", "recorder"):
                self.drop(h, name, id="i-1")
        self.finds("8.5", "nobody revoked it", spoil)

    def test_a_client_that_was_told_that_invalidations_are_lost(self):
        self.finds("9.3", "unvouched", lambda h: self.of(h, "client-s", what="bye", c=2).update(code=4504))

    def test_somebody_who_was_let_in_by_a_gateway_that_never_heard_the_backend(self):
        self.finds("9.1", "had heard nothing", lambda h: h["main"].append({"t": 0.5, "what": "dark", "gateway": "gw", "begun": 0.05}))

    # The client library
    def test_a_listener_that_missed_an_event(self):
        self.finds("7.1", "before the log does", lambda h: h["listener"][0]["events"].clear())

    def test_a_listener_that_printed_an_event_twice(self):
        self.finds("7.1", "printed", lambda h: h["listener"][0]["events"].append(h["listener"][0]["events"][0]))

    def test_what_the_campaign_saw_itself(self):
        self.finds("process", "ended by itself", lambda h: h["main"].append({"t": 9, "what": "fault", "rule": "process", "text": "backend ended by itself"}))


if __name__ == "__main__":
    unittest.main()
