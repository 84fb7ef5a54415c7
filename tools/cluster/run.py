#!/usr/bin/python3
"""A cluster to play with on loopback (make cluster): three nats-servers, three backends, two gateways, and the page.

    run.py [--page 127.0.0.1:7421] [--data DIR] [--traffic 2] [--ready-file FILE]

Each is a process of its own. The page shows which backend serves which gateway and which server leads the log, and can
kill and start any of them. Ctrl-C ends all; without --data what they kept is gone with them.
"""
import argparse, json, os, pathlib, random, shutil, signal, sys, tempfile, threading, time

from plane import POLL_S, Plane, harness
from page import Page

SYSTEMS = ["Kepler-22", "Vega", "Tau Ceti", "Procyon", "Gliese 581", "Arcturus", "Deneb", "Altair", "Fomalhaut", "Wolf 359"]
FLEETS = ["Aurora", "Long Night", "Iron Tide", "Second Dawn", "Kestrel", "Vanguard", "Perihelion", "Quiet Storm", "Old Guard"]
CHAT = [("Ada", "Well met, commander."), ("Brandt", "Holding Vega for two more turns."), ("Ngozi", "Trade you the Gliese mines for passage through Deneb."),
        ("Ines", "Orders are in. Sleep well."), ("Ada", "Peace until turn 60?")]


class Traffic(threading.Thread):
    """Sample events, and since when none was acknowledged."""

    def __init__(self, plane, pause_s):
        super().__init__(daemon=True)
        self.plane, self.pause_s, self.random = plane, pause_s, random.Random()
        self.acknowledged, self.newest, self.turn = 0, time.monotonic(), 7
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(self.pause_s * self.random.uniform(0.5, 1.5)):
            kind, payload = self.random.choice([self._turn, self._fleet, self._fleet, self._chat])()
            body = {"user_id": "commander-7", "kind": kind, "payload": payload, "event_id": "demo-%d-%d" % (os.getpid(), time.time_ns())}
            # Unanswered ones are sent again with the same event_id: published once, whatever happens.
            while not self.stopping.is_set() and self.plane.post("/v1/events", json.dumps(body).encode())[0] != 200:
                pass
            self.acknowledged, self.newest = self.acknowledged + 1, time.monotonic()

    def _turn(self):
        self.turn += 1
        return "game.turn.ready", {"turn": self.turn, "deadline_s": 900 * self.random.randint(1, 48)}

    def _fleet(self):
        return "game.fleet.arrived", {"fleet": self.random.choice(FLEETS), "system": self.random.choice(SYSTEMS), "ships": self.random.randint(1, 60)}

    def _chat(self):
        sender, text = self.random.choice(CHAT)
        return "game.chat.message", {"from": sender, "text": text}


class Watch(threading.Thread):
    """Looks at the plane again and again, and tells the terminal what changed hands."""

    def __init__(self, plane, say):
        super().__init__(daemon=True)
        self.plane, self.say, self.state, self.known = plane, say, plane.look(), {}

    def run(self):
        while True:
            self.state = self.plane.look()
            roles = {g["name"]: "%s hears %s" % (g["name"], g["backend"]) for g in self.state["gateways"] if g["backend"]}
            roles |= {stream: "%s leads %s" % (s["name"], stream) for s in self.state["servers"] for stream in s["leads"]}
            for key, sentence in roles.items():
                if self.known.get(key) not in (None, sentence):
                    self.say(sentence)
            self.known |= roles
            time.sleep(POLL_S)


def say(sentence):
    print("  %s  %s" % (time.strftime("%H:%M:%S"), sentence), flush=True)


def welcome(page, plane):
    backend, gateway = plane.backends[0], plane.gateways[0]
    print("\n  The page: %s\n" % page.url)
    for server in plane.cluster.servers:
        print("  nats-server %s   %-22s monitoring http://%s" % (server.name, server.client, server.monitor))
    for node in [*plane.backends, *plane.gateways]:
        print("  %-13s %s  %-22s admin http://%s" % ("backend" if node in plane.backends else "gateway", node.name.ljust(4), node.listen, node.admin))
    binary = os.path.relpath(harness.BINARY)
    print("\n  In another terminal:\n")
    print("    %s publish --backend %s --user commander-7 --kind game.turn.ready --payload '{\"turn\":99,\"deadline_s\":3600}'" % (binary, backend.listen))
    print("    %s tail --backend %s --since 5m" % (binary, plane.backends[1].listen))
    print("    %s listen --url ws://%s --token-file %s" % (binary, gateway.listen, plane.folder / "terminal.token"))
    print("\n  Data and logs: %s\n  Ctrl-C ends it.\n" % plane.folder, flush=True)


def parse():
    parser = argparse.ArgumentParser(description="Three nats-servers, three backends and two gateways on loopback, and a page.")
    parser.add_argument("--page", default="127.0.0.1:7421", help="where the page is served, on loopback; port 0: any")
    parser.add_argument("--data", help="keep everything in this folder; without it a folder that is gone in the end")
    parser.add_argument("--traffic", type=float, default=2, metavar="S", help="the mean pause between sample events; 0: none")
    parser.add_argument("--ready-file", help="write the addresses here once all run: a JSON object")
    parser.add_argument("--log-level", default="info")
    options = parser.parse_args()
    host, _, port = options.page.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdigit():
        parser.error("--page: the page hands out tokens and kills processes, it is for 127.0.0.1:PORT")
    options.host, options.port = host, int(port)
    return options


def ready(page, plane):
    row = lambda n: {"name": n.name, "listen": n.listen, "admin": n.admin}
    return {"page": page.url, "servers": [{"name": s.name, "client": s.client, "monitor": s.monitor} for s in plane.cluster.servers],
            "backends": [row(b) for b in plane.backends], "gateways": [row(g) for g in plane.gateways]}


def main():
    options = parse()
    folder = pathlib.Path(options.data or tempfile.mkdtemp(prefix="galaxy-cluster-"))
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    watch, traffic = None, None
    look = lambda: watch.state | {"acknowledged": traffic.acknowledged, "silent_ms": int(1000 * (time.monotonic() - traffic.newest))}
    page = Page(options.host, options.port, look, say)
    plane = page.plane = Plane(folder, page.origins, options.log_level)
    try:
        plane.start()
        (folder / "terminal.token").write_text(plane.token("terminal"))
        traffic = Traffic(plane, options.traffic or 1e9)
        watch = Watch(plane, say)
        for thread in (watch, traffic, threading.Thread(target=page.serve_forever, daemon=True)):
            thread.start()
        welcome(page, plane)
        if options.ready_file:
            pathlib.Path(options.ready_file).write_text(json.dumps(ready(page, plane)))
        while not stop.is_set():
            plane.obey(0.2)
        print("\n  ending", flush=True)
        traffic.stopping.set()
    finally:
        plane.end()
        if not options.data:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
