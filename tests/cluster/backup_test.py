"""What docs/operations/cluster.md says of backups: its very commands, the loss of everything, and the loss of one server."""
import pathlib, re, shutil, subprocess, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import plane
import harness
import producers
import replicas
from websocket import WebSocketClient

PAGE = harness.ROOT / "docs" / "operations" / "cluster.md"


def command(mark):
    """The shell command of the page in whose line `mark` stands, continued lines and all."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return next(line for line in lines if mark in line)


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(harness.folder())
        self.plane = self.enterContext(plane.Plane(self.folder, gateways=1))
        self.file = self.folder / "invalidations.ndjson"

    def shell(self, mark):
        """The page's command with this plane's addresses and files, without the certificates."""
        text = command(mark)
        self.assertIn("/backup/invalidations.ndjson", text)
        text = re.sub(r"--backend-(ca|cert|key) \S+|--cacert \S+|--cert \S+|--key \S+", "", text)
        text = text.replace("backend-1:7400,backend-2:7400", ",".join(b.listen for b in self.plane.backends[:2]))
        text = text.replace("https://backend-1:7400", "http://" + self.plane.backends[0].listen)
        return text.replace("/backup/invalidations.ndjson", str(self.file)).replace("galaxy-push tail", harness.BINARY + " tail")

    def revoke(self, user, session):
        producers.post_somewhere(self.plane, "/v1/invalidations", {"user_id": user, "device_session_id": session, "reason": "lost"})

    def answer(self, gateway, user, session, iat):
        """The first frame's kind and, of a bye, its code."""
        client = WebSocketClient(gateway.listen, self.plane.keys.token(user, session, iat=iat, exp=iat + 3600), None)
        try:
            (kind, body), = client.frame().items()
            return kind, body.get("code")
        finally:
            client.close()

    def test_after_the_loss_of_everything_the_backup_keeps_revoked_sessions_out(self):
        began = int(time.time())
        for n in range(20):
            self.revoke("u-%d" % n, "s-%d" % n)
        backup = subprocess.Popen(["sh", "-c", self.shell("galaxy-push tail")], stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(lambda: (subprocess.run(["kill", "--", "-%d" % backup.pid], stderr=subprocess.DEVNULL), backup.wait()))
        self.plane.wait("what was retained is in the backup", lambda: self.file.exists() and self.file.read_text().count("\n") >= 20)
        self.revoke("u-whole", "")
        self.revoke("u-0", "s-other")
        self.plane.wait("what came later is, too", lambda: '"s-other"' in self.file.read_text())

        for node in [*self.plane.gateways, *self.plane.backends, *self.plane.cluster.servers]:
            node.kill()
        for server in self.plane.cluster.servers:
            shutil.rmtree(server.store)
        self.plane.cluster.start()
        for backend in self.plane.backends:
            backend.start()
        restored = subprocess.run(["bash", "-c", "set -o pipefail; " + self.shell("jq -c")], capture_output=True, text=True, timeout=30)
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.assertEqual(restored.stdout.count('"cursor"'), 22, restored.stdout)
        gateway = self.plane.gateway("new")
        gateway.start()
        self.addCleanup(gateway.end)
        for user, session in [("u-%d" % n, "s-%d" % n) for n in range(20)] + [("u-whole", "s-any"), ("u-0", "s-other")]:
            self.assertEqual(self.answer(gateway, user, session, began), ("bye", 4503), (user, session))
        self.assertEqual(self.answer(gateway, "u-1", "s-another", began)[0], "welcome")

    def test_a_server_that_lost_its_disk_gets_everything_from_the_others(self):
        for n in range(300):
            producers.post_somewhere(self.plane, "/v1/events", {"user_id": "u", "kind": "k", "payload": {"n": n}})
        self.revoke("u", "s")
        stream = self.plane.stream()
        victim = self.plane.cluster.leader(stream)
        victim.kill()
        shutil.rmtree(victim.store)
        victim.start()
        self.plane.cluster.wait_healthy()
        self.plane.wait("it has caught up", lambda: victim.streams().get(stream, (0, 0, 0))[1] >= 300, 150)
        for backend in self.plane.backends:
            backend.stop()
        for name in self.plane.streams():
            self.assertEqual(replicas.differences(replicas.copies(self.plane.cluster, name)), [])


if __name__ == "__main__":
    unittest.main()
