"""`make cluster`: the whole of it from one command, what its page is told, and that nothing is left of it."""
import json, os, pathlib, re, signal, subprocess, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

RUN = harness.ROOT / "tools" / "cluster" / "run.py"


class RunCluster(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.ready, self.log = self.folder / "ready.json", open(self.folder / "log", "w+b")
        self.addCleanup(self.log.close)
        command = ["/usr/bin/python3", str(RUN), "--page", "127.0.0.1:0", "--traffic", "0.2", "--ready-file", str(self.ready)]
        environment = os.environ | {"TMPDIR": str(self.folder)}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, start_new_session=True)
        self.addCleanup(self.end)
        self.at = harness.wait_for("the cluster runs", self.started, 60)
        self.page = self.at["page"].removeprefix("http://").rstrip("/")

    def started(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended\n" + self.output())
        try:
            return json.loads(self.ready.read_text())
        except (OSError, ValueError):
            return None

    def output(self):
        return (self.folder / "log").read_text(errors="replace")

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def look(self):
        return harness.get(self.page, "/demo/cluster").json

    def settled(self):
        state = self.look()
        ready = all(row["state"] == "ready" for kind in ("servers", "backends", "gateways") for row in state[kind])
        return state if ready and all(g["backend"] for g in state["gateways"]) and self.leaders(state) else None

    @staticmethod
    def leaders(state):
        """The servers that lead the log; the page names streams."""
        return [s["name"] for s in state["servers"] if any(stream.endswith("-log") for stream in s["leads"])]

    def do(self, name, what):
        return harness.post(self.page, "/demo/cluster", {"name": name, "do": what})

    def test_the_page_shows_who_serves_and_who_leads_while_processes_die_and_come_back(self):
        state = harness.wait_for("everything is ready", self.settled, 40)
        self.assertEqual([len(state[kind]) for kind in ("servers", "backends", "gateways")], [3, 3, 2])
        self.assertEqual(len(self.leaders(state)), 1)
        leader, backend = self.leaders(state)[0], state["gateways"][0]["backend"]
        self.assertEqual(self.do(leader, "kill").json, {"sentence": "%s was killed (SIGKILL)" % leader})
        self.assertEqual(self.do(backend, "kill").status, 200)
        row = lambda kind, name: next(r for r in self.look()[kind] if r["name"] == name)
        harness.wait_for("both are shown as down", lambda: row("servers", leader)["state"] == row("backends", backend)["state"] == "down")
        harness.wait_for("another server leads", lambda: self.leaders(self.look()) not in ([], [leader]), 40)
        harness.wait_for("the gateways hear another backend", lambda: all(g["backend"] not in (None, backend) for g in self.look()["gateways"]), 40)
        taken = self.look()["acknowledged"]
        harness.wait_for("events are acknowledged", lambda: self.look()["acknowledged"] > taken, 40)
        for name in (leader, backend):
            self.assertEqual(self.do(name, "start").json["sentence"], "%s was started" % name)
        try:
            harness.wait_for("everything is ready again", self.settled, 60)
        except AssertionError as error:
            raise AssertionError("%s\n%s\n%s" % (error, json.dumps(self.look(), indent=1), self.output()))
        self.assertRegex(self.output(), "gw-1 hears b")
        self.assertRegex(self.output(), "leads galaxy-log")

        # The metrics that operators are told to alarm on are there.
        served = "".join(harness.get(node["admin"], "/metrics").text for node in (self.at["backends"][0], self.at["gateways"][0]))
        page = (harness.ROOT / "docs" / "operations" / "cluster.md").read_text()
        named = set(re.findall(r"\bgalaxy_push_[a-z0-9_]+", page))
        self.assertGreater(len(named), 8)
        self.assertEqual(named - set(re.findall(r"^# TYPE (\S+)", served, re.M)), set())

        # What it hands out and takes is for this page alone.
        config = harness.get(self.page, "/demo/config.json").json
        self.assertEqual({d["gateway_name"] for d in config["devices"]}, {"gw-1", "gw-2"})
        self.assertIn("/demo/cluster", harness.get(self.page, "/cluster.js").text)
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            answer = harness.request("POST", self.page, "/demo/cluster", b"{}", {"content-type": "application/json"} | headers)
            self.assertEqual(answer.status, 403)
        self.assertEqual(harness.request("POST", self.page, "/demo/cluster", b"{}", {"content-type": "text/plain"}).status, 415)
        self.assertEqual(self.do("n9", "kill").status, 400)
        for path in ("/../Makefile", "/sdk/../package.json", "/README.md"):
            self.assertEqual(harness.get(self.page, path).status, 404)

        self.process.send_signal(signal.SIGINT)
        self.assertEqual(self.process.wait(40), 0, self.output())
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith("galaxy-cluster-")], [])
        ports = [s["client"] for s in self.at["servers"]] + [n["listen"] for n in self.at["backends"] + self.at["gateways"]]
        for address in ports:
            with self.assertRaises(ConnectionRefusedError):
                harness.get(address, "/")


if __name__ == "__main__":
    unittest.main()
