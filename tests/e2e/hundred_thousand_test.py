"""A file of 100,000 mixed game events goes through `publish` to ten `listen` clients (semantics.md 7.1, 7.3).

Every event is verified by `listen`, in order, none lost, none twice, none to the wrong session.
EVENTS in the environment changes the number.
"""
import collections, json, os, pathlib, random, subprocess, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

EVENTS = int(os.environ.get("EVENTS", "100000"))
# Ten sessions: users with three, two and one devices, so that fan-out and single devices mix.
SESSIONS = [("u-1", "s-1"), ("u-1", "s-2"), ("u-1", "s-3"), ("u-2", "s-1"), ("u-2", "s-2"), ("u-3", "s-1"), ("u-4", "s-1"), ("u-5", "s-1"), ("u-6", "s-1"), ("u-7", "s-9")]


def mixed_events(rng):
    """Events for users that are here, sessions of theirs, and a few for people who are not."""
    for n in range(EVENTS):
        user, session = rng.choice(SESSIONS + [("u-offline", "s-1")])
        kind, payload = rng.choice([
            ("game.turn.ready", {"turn": n, "deadline_s": rng.randrange(60, 86400)}),
            ("game.fleet.arrived", {"fleet": "flotte-%d" % n, "system": "Ζῆτα Reticuli", "ships": [{"class": "frigate", "count": rng.randrange(40)} for _ in range(rng.randrange(4))]}),
            ("game.battle.report", {"n": n, "winner": rng.choice(["you", "they"]), "log": "x" * rng.randrange(600)}),
            ("game.chat.message", {"n": n, "from": "Игрок \"%d\"" % n, "text": "gg \U0001f680\n\u2028 wp\\" * rng.randrange(1, 5)}),
        ])
        yield {"user_id": user, "device_session_id": session if rng.random() < 0.4 else "", "kind": kind, "payload": payload, "event_id": "e-%d" % n}


class HundredThousand(unittest.TestCase):
    def test_every_event_verified_in_order_once_at_the_right_session(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print("seed", seed)
        rng = random.Random(seed)
        with harness.folder() as folder:
            events = list(mixed_events(rng))
            file = folder / "events.ndjson"
            file.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in events))
            keys = harness.Keys(folder)
            with harness.backend() as backend, harness.gateway(backend.listen, keys, folder / "gw") as gateway:
                harness.wait_for("ready", gateway.ready_now)
                expected = {s: [e for e in events if e["user_id"] == s[0] and e["device_session_id"] in ("", s[1])] for s in SESSIONS}
                listeners = {s: self.listen(gateway, keys, folder, s, len(expected[s])) for s in SESSIONS}
                harness.wait_for("all are connected", lambda: gateway.metric("galaxy_push_edge_connections") == len(SESSIONS))
                started = time.monotonic()
                published = subprocess.run([harness.BINARY, "publish", "--backend", backend.listen, str(file)], capture_output=True, text=True, timeout=240)
                self.assertEqual(published.returncode, 0, published.stderr[-2000:])
                cursors = {e["event_id"]: r["cursor"] for e, r in zip(events, map(json.loads, published.stdout.splitlines()))}
                self.assertEqual(len(cursors), EVENTS)
                for session, (process, lines, thread) in listeners.items():
                    thread.join(240)
                    self.assertFalse(thread.is_alive(), "listener of %s/%s has %d of %d" % (*session, len(lines), len(expected[session])))
                    self.assertEqual(process.wait(20), 0)
                print("%d events, %.1f s" % (EVENTS, time.monotonic() - started))
                for session, (process, lines, _) in listeners.items():
                    got = [json.loads(line) for line in lines]
                    self.assertEqual([g["event_id"] for g in got], [e["event_id"] for e in expected[session]], session)
                    for g, e in zip(got, expected[session]):
                        self.assertEqual(json.loads(g["payload"]), e["payload"])
                        self.assertEqual(g["cursor"], cursors[e["event_id"]])
                        self.assertIs(g["verified"], True)
                        self.assertEqual((g["user_id"], g.get("device_session_id", "")), (e["user_id"], e["device_session_id"]))

    def listen(self, gateway, keys, folder, session, count):
        token = folder / ("token-%s-%s" % session)
        token.write_text(keys.token(*session))
        process = subprocess.Popen([harness.BINARY, "listen", "--url", "ws://%s/v1/events" % gateway.listen, "--token-file", token,
                                    "--jwks", "http://%s/.well-known/jwks.json" % gateway.listen, "--count", str(count)],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.kill)
        lines = []
        thread = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
        thread.start()
        return process, lines, thread


if __name__ == "__main__":
    unittest.main()
