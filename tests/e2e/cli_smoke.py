"""The program as the README shows it: backend, gateway, publish, listen, invalidate, tail, demo, drain.

Standard library only. GALAXY_PUSH names the binary.
"""
import contextlib, http.client, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("GALAXY_PUSH", str(ROOT / "build" / "galaxy-push"))
DEADLINE_S = 30


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError("not in time: " + what)
        time.sleep(0.01)
    return value


def run(*arguments, stdin="", env=None):
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=DEADLINE_S, env={**os.environ, **(env or {})})


def get(address, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


class Started:
    """A process of the binary whose output goes to files."""

    def __init__(self, test, *arguments):
        self.out = test.folder / ("out-%d" % test.count)
        self.err = test.folder / ("err-%d" % test.count)
        test.count += 1
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        test.addCleanup(self.kill)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def lines(self):
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def said(self, text):
        return text in self.err.read_text()

    def end(self, with_signal=None):
        if with_signal:
            self.process.send_signal(with_signal)
        return self.process.wait(DEADLINE_S)


class CliSmoke(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="galaxy-smoke-"))
        self.count = 0
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def server(self, *arguments):
        ready = self.folder / ("ready-%d.json" % self.count)
        server = Started(self, *arguments, "--ready-file", ready)

        def is_ready():
            self.assertIsNone(server.process.poll(), server.err.read_text())
            return ready.exists() and json.loads(ready.read_text())
        server.ready_file = ready
        server.addresses = wait_for("ready file of %s" % arguments[0], is_ready)
        return server

    def plane(self):
        made = run("keys", "generate", "--out", self.folder / "key.json", "--jwks", self.folder / "jwks.json")
        self.assertEqual(made.returncode, 0, made.stderr)
        backend = self.server("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", self.folder / "backend")
        gateway = self.server("gateway", "--id", "gw-1", "--backend", backend.addresses["listen"], "--listen", "127.0.0.1:0",
                              "--admin", "127.0.0.1:0", "--data", self.folder / "gw-1", "--jwks", self.folder / "jwks.json",
                              "--issuer", "https://login.example", "--audience", "galaxy", "--drain-spread", "100ms")
        wait_for("gateway ready", lambda: get(gateway.addresses["admin"], "/readyz")[0] == 200)
        return backend, gateway

    def token(self, user, session):
        made = run("token", "--key", self.folder / "key.json", "--user", user, "--session", session)
        self.assertEqual(made.returncode, 0, made.stderr)
        path = self.folder / ("%s.%s.token" % (user, session))
        path.write_text(made.stdout)
        return path

    def listen(self, gateway, token, *arguments):
        listener = Started(self, "listen", "--url", "ws://" + gateway.addresses["listen"], "--token-file", token, *arguments)
        wait_for("listener connected", lambda: listener.said("connected as"))
        return listener

    def publish(self, backend, *arguments, stdin=""):
        return run("publish", "--backend", backend.addresses["listen"], *arguments, stdin=stdin)

    def test_publish_listen_invalidate_drain(self):
        backend, gateway = self.plane()
        phone = self.listen(gateway, self.token("u-1", "phone"))
        tablet = self.listen(gateway, self.token("u-1", "tablet"))

        payload = '{ "turn": 7, "big": 12345678901234567890, "text": "Ζῆτα \\u2028" }'
        one = self.publish(backend, "--user", "u-1", "--kind", "game.turn.ready", "--payload", payload, "--event-id", "e-1")
        self.assertEqual(one.returncode, 0, one.stderr)
        cursor = json.loads(one.stdout)["cursor"]
        for listener in (phone, tablet):
            wait_for("the event", listener.lines)
            event = listener.lines()[0]
            self.assertEqual((event["payload"], event["cursor"], event["event_id"], event["verified"]), (payload, cursor, "e-1", True))

        # What operators see.
        subscriptions = json.loads(get(backend.addresses["admin"], "/v1/subscriptions")[1])
        self.assertEqual([s["gateway_client_id"] for s in subscriptions["subscriptions"]], ["gw-1"])
        sessions = json.loads(get(gateway.addresses["admin"], "/v1/sessions?user=u-1")[1])
        self.assertEqual(sorted(s["session"] for s in sessions["sessions"]), ["phone", "tablet"])
        self.assertEqual(get(gateway.addresses["admin"], "/v1/sessions")[0], 400)
        for admin in (backend.addresses["admin"], gateway.addresses["admin"]):
            self.assertEqual(get(admin, "/livez")[0], 200)
            status, text, headers = get(admin, "/metrics")
            self.assertEqual((status, headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
            samples = [line for line in text.splitlines() if not line.startswith("#")]
            self.assertGreater(len(samples), 20)
            for line in samples:
                self.assertRegex(line, r"^(galaxy_push|process)_[a-z0-9_]+(\{[^}]*\})? [-+.e0-9]+$")

        # The same key again publishes nothing (semantics.md 2.2); one device's event reaches only that one (7.3).
        again = self.publish(backend, "--user", "u-1", "--kind", "game.turn.ready", "--payload", payload, "--event-id", "e-1")
        self.assertEqual(json.loads(again.stdout), {"cursor": cursor, "duplicate": True})
        self.publish(backend, "--user", "u-1", "--session", "tablet", "--kind", "game.chat.message", "--payload", '{"text":"hi"}')
        wait_for("the tablet's event", lambda: len(tablet.lines()) == 2)

        # semantics.md 8.1: exactly one device is cut off, with the reason and the verdict.
        gone = run("invalidate", "--backend", backend.addresses["listen"], "--user", "u-1", "--session", "phone", "--reason", "lost")
        self.assertEqual(gone.returncode, 0, gone.stderr)
        self.assertEqual(phone.end(), 4, phone.err.read_text())
        self.assertIn("4503", phone.err.read_text())
        self.assertIn("lost", phone.err.read_text())
        self.assertEqual(len(phone.lines()), 1)
        self.publish(backend, "--user", "u-1", "--kind", "game.turn.ready", "--payload", '{"turn":8}')
        wait_for("the next turn", lambda: len(tablet.lines()) == 3)
        refused = run("listen", "--url", "ws://" + gateway.addresses["listen"], "--token-file", self.folder / "u-1.phone.token")
        self.assertEqual(refused.returncode, 4, refused.stderr)

        # As a gateway sees it.
        seen = run("tail", "--backend", backend.addresses["listen"], "--since", "5m", "--count", "4")
        self.assertEqual(seen.returncode, 0, seen.stderr)
        kinds = [next(k for k in json.loads(line) if k != "cursor") for line in seen.stdout.splitlines()]
        self.assertEqual(kinds, ["client_event", "client_event", "session_invalidation", "client_event"])
        rest = run("tail", "--backend", backend.addresses["listen"], "--cursor", cursor, "--count", "1")
        self.assertEqual(json.loads(rest.stdout)["client_event"]["device_session_id"], "tablet")

        # semantics.md 6.5
        self.assertEqual(gateway.end(signal.SIGTERM), 0, gateway.err.read_text())
        wait_for("the tablet is sent elsewhere", lambda: tablet.said("1001"))
        self.assertEqual(tablet.end(signal.SIGTERM), 0)
        self.assertEqual(backend.end(signal.SIGTERM), 0, backend.err.read_text())
        self.assertFalse(backend.ready_file.exists())

    def test_a_listener_goes_on_where_its_state_file_ends(self):
        backend, gateway = self.plane()
        token = self.token("u-1", "phone")
        state = self.folder / "phone.cursor"
        first = self.listen(gateway, token, "--state-file", state, "--count", "2")
        lines = "".join('{"user_id":"u-1","kind":"k","payload":{"n":%d}}\n' % n for n in range(5))
        self.assertEqual(self.publish(backend, stdin=lines).returncode, 0)
        self.assertEqual(first.end(), 0, first.err.read_text())
        second = self.listen(gateway, token, "--state-file", state, "--count", "3")
        self.assertEqual(second.end(), 0, second.err.read_text())
        numbers = [json.loads(event["payload"])["n"] for event in first.lines() + second.lines()]
        self.assertEqual(numbers, [0, 1, 2, 3, 4])

    def test_publish_reports_each_line_in_order(self):
        backend = self.server("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", self.folder / "backend")
        good = '{"user_id":"u","kind":"k","payload":{}}\n'
        answer = self.publish(backend, stdin=good + "nonsense\n\n" + good.replace("payload", "pay") + '{"user_id":"","kind":"k","payload":{}}\n' + good.strip())
        self.assertEqual(answer.returncode, 3)
        self.assertEqual(["cursor" in json.loads(line) for line in answer.stdout.splitlines()], [True, False, False, False, True])
        many = self.folder / "many.ndjson"
        many.write_text("".join('{"user_id":"u","kind":"k","payload":{"n":%d}}\n' % n for n in range(20000)))
        answer = self.publish(backend, many)
        cursors = [json.loads(line)["cursor"] for line in answer.stdout.splitlines()]
        self.assertEqual((answer.returncode, len(cursors), cursors), (0, 20000, sorted(set(cursors))))
        quiet = self.publish(backend, many, "--quiet")
        self.assertEqual((quiet.returncode, quiet.stdout), (0, ""))
        self.assertIn("20000 published, 0 duplicates, 0 refused", quiet.stderr)

    def test_the_catalog_and_the_payload_rule_are_options(self):
        catalog = self.folder / "catalog.json"
        catalog.write_text('{"kinds": {"a": {}, "b": {"schema": {"type": "integer"}}}}')
        backend = self.server("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", self.folder / "backend", "--catalog", catalog, "--payload", "any")
        answers = [self.publish(backend, "--user", "u", "--kind", kind, "--payload", payload).returncode
                   for kind, payload in (("a", "[1]"), ("b", "7"), ("b", "{}"), ("c", "{}"))]
        self.assertEqual(answers, [0, 0, 3, 3])

    def test_a_backend_that_is_not_there_is_a_failure(self):
        for command in (["publish", "--user", "u", "--kind", "k"], ["invalidate", "--user", "u"]):
            answer = run(*command, "--backend", "127.0.0.1:1", "--timeout", "5s")
            self.assertEqual(answer.returncode, 1, answer.stderr)

    def test_options_from_everywhere(self):
        config = self.folder / "galaxy.toml"
        config.write_text('[backend]\nwindow = "1m"\nslow = "2s"\n[gateway]\nid = "gw"\n')
        shown = run("check-config", "backend", "--config", config, "--slow", "4s", env={"GALAXY_PUSH_SLOW": "3s", "GALAXY_PUSH_PING": "30s"})
        self.assertEqual(shown.returncode, 0, shown.stderr)
        values = dict(line.split("  #")[0].strip().split(" = ") for line in shown.stdout.splitlines() if not line.startswith("#"))
        self.assertEqual((values["window"], values["slow"], values["ping"]), ('"1m"', '"4s"', '"30s"'))
        for arguments, env, message in (
                (["--window", "2h", "--ring-bytes", "1KiB"], {}, "option ring-bytes, from flag --ring-bytes: 1KiB is under the limit of 1MiB"),
                (["--windw", "2h"], {}, "--windw"),
                ([], {"GALAXY_PUSH_WINDW": "1m"}, "GALAXY_PUSH_WINDW"),
                (["--listen", "0.0.0.0:0"], {}, "off loopback")):
            answer = run("backend", *arguments, env=env)
            self.assertEqual(answer.returncode, 2, answer.stderr)
            self.assertIn(message, answer.stderr)

    def test_keys_are_not_overwritten_and_can_be_rotated(self):
        private, envelope = self.folder / "key.json", self.folder / "envelope.json"
        for alg in ("EdDSA", "ES256", "RS256"):
            path = self.folder / (alg + ".json")
            self.assertEqual(run("keys", "generate", "--alg", alg, "--out", path).returncode, 0)
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            public = json.loads(run("keys", "public", "--in", path).stdout)["keys"][0]
            self.assertEqual((public["alg"], "d" in public), (alg, False))
        self.assertEqual(run("keys", "generate", "--out", private).returncode, 0)
        before = private.read_text()
        self.assertEqual(run("keys", "generate", "--out", private).returncode, 1)
        self.assertEqual(private.read_text(), before)
        self.assertEqual(run("keys", "envelope", "--out", envelope).returncode, 0)
        self.assertEqual(run("keys", "envelope", "--out", envelope).returncode, 1)
        self.assertEqual(run("keys", "envelope", "--out", envelope, "--add", "--not-before", "10m").returncode, 0)
        keys = json.loads(envelope.read_text())["keys"]
        self.assertEqual(len(keys), 2)
        self.assertGreaterEqual(keys[1]["nbf"], keys[0]["nbf"] + 600)

    def test_the_demo_serves_its_page_and_its_commands_work(self):
        demo = self.server("demo", "--page", "127.0.0.1:0", "--log-level", "warn", "--traffic", "0")
        page = demo.addresses["page"].removeprefix("http://").rstrip("/")
        status, body, headers = get(page, "/")
        self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
        for path in ("/main.js", "/sdk/index.js", "/theme.css", "/favicon.svg"):
            self.assertEqual(get(page, path)[0], 200, path)
        config = json.loads(get(page, "/demo/config.json")[1])
        self.assertEqual(config["gateway"], "http://" + demo.addresses["gateway"]["listen"])

        json_type = {"content-type": "application/json", "origin": "http://" + page}
        token = json.loads(get(page, "/demo/token", "POST", json.dumps({"session": config["devices"][0]["session"]}), json_type)[1])["token"]
        (self.folder / "device.token").write_text(token)
        wait_for("gateway ready", lambda: get(demo.addresses["gateway"]["admin"], "/readyz")[0] == 200)
        listener = Started(self, "listen", "--url", "ws://" + demo.addresses["gateway"]["listen"], "--token-file", self.folder / "device.token")
        wait_for("listener connected", lambda: listener.said("connected as"))

        event = {"user_id": config["user"], "kind": "game.turn.ready", "payload": {"turn": 1}}
        status, answer, _ = get(page, "/demo/events", "POST", json.dumps(event), json_type)
        self.assertEqual(status, 200, answer)
        wait_for("the event", listener.lines)
        self.assertEqual(get(page, "/demo/events", "POST", "{}", json_type)[0], 400)
        foreign = {**json_type, "origin": "https://evil.example"}
        self.assertEqual(get(page, "/demo/events", "POST", json.dumps(event), foreign)[0], 403)
        cut = {"user_id": config["user"], "device_session_id": config["devices"][0]["session"], "reason": "lost"}
        self.assertEqual(get(page, "/demo/invalidations", "POST", json.dumps(cut), json_type)[0], 200)
        self.assertEqual(listener.end(), 4, listener.err.read_text())

        # What it printed can be pasted.
        shown = next(line.split() for line in demo.out.read_text().splitlines() if " listen " in line)
        pasted = Started(self, *shown[1:])
        wait_for("the pasted listener", lambda: pasted.said("connected as"))
        self.assertEqual(demo.end(signal.SIGTERM), 0, demo.err.read_text())
        wait_for("the listener lost it", lambda: pasted.said("1001"))


if __name__ == "__main__":
    unittest.main()
