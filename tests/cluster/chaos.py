#!/usr/bin/python3
"""Faults from a seed for some minutes, one after another and now and then two at once, under load; then the judgement.

    chaos.py [--minutes 30] [--seed N] [--only cut,slow] [--keep]      (make chaos)

Three servers, three backends and two gateways in network namespaces. The seed fixes what is done to whom and for how
long. A run that fails keeps its folder; tests/crash/judge.py FOLDER judges its history again. --split adds partitions
and pauses of servers, from which nats-server 2.9 does not always recover (docs/reliability.md).
"""
import argparse, contextlib, os, pathlib, random, shutil, statistics, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import network
import plane
import gateway_file
from nodes import Died
from slow_disk import SlowDisk

# What is done, and how often in comparison.
FAULTS = {"leader_killed": 12, "server_killed": 8, "server_stopped": 8, "servers_killed": 2, "disk_slow": 8, "backend_killed": 14, "backend_drained": 10,
          "backend_paused": 6, "backend_cut": 10, "backend_unreachable": 6, "gateway_killed": 8, "gateway_drained": 4, "everything_killed": 2}
SPLIT = {"server_cut": 6, "server_paused": 4}


class Chaos:
    """Each fault is a context: it begins, lasts, and is healed in the end. Runs on the main thread, which owns processes."""

    def __init__(self, plane, options):
        self.plane, self.random = plane, random.Random("%s/chaos" % options.seed)
        weights = FAULTS | (SPLIT if options.split else {})
        wanted = options.only.split(",") if options.only else [""]
        self.weights = {name: w for name, w in weights.items() if any(part in name for part in wanted)}
        self.stream = plane.stream()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.plane.live(self.random.uniform(0.5, 4))
            names = self.random.choices(list(self.weights), list(self.weights.values()), k=2 if self.random.random() < 0.2 else 1)
            self.plane.fault("+".join(sorted(set(names))))
            with contextlib.ExitStack() as stack:
                for name in sorted(set(names)):
                    stack.enter_context(getattr(self, "_" + name)())
                self.plane.live(self.random.choice([0, 1, 4, 12]) * self.random.random())
            self.plane.cluster.wait_healthy(60)
            self.plane.wait_ready(90)
            self.plane.wait_flowing(60)
            self.plane.wanderer.move()
        return self

    def _up(self, nodes):
        """One of `nodes` that runs, or None: another fault may have taken it."""
        return self.random.choice([n for n in nodes if n.process is not None] or [None])

    @contextlib.contextmanager
    def _away(self, nodes, how):
        """Ends `nodes` with kill or stop, and starts them again."""
        nodes = [n for n in nodes if n is not None and n.process is not None]
        for node in nodes:
            getattr(node, how)()
            if node in self.plane.gateways:
                state = gateway_file.read(node.data, self.plane.folder / "copies")
                self.plane.history.sink("gateway-file")("state", gateway=node.name, **state)
        yield
        self.random.shuffle(nodes)
        for node in nodes:
            node.start() if node in self.plane.cluster.servers else node.spawn()

    def _leader_killed(self):
        return self._away([self.plane.cluster.leader_now(self.stream)], "kill")

    def _server_killed(self):
        return self._away([self._up(self.plane.cluster.servers)], "kill")

    def _server_stopped(self):
        return self._away([self._up(self.plane.cluster.servers)], "stop")

    def _servers_killed(self):
        return self._away(list(self.plane.cluster.servers), "kill")

    def _backend_killed(self):
        return self._away(self.random.sample(self.plane.backends, self.random.choice([1, 1, 1, 2])), "kill")

    def _backend_drained(self):
        return self._away([self._up(self.plane.backends)], "stop")

    def _gateway_killed(self):
        return self._away([self._up(self.plane.gateways)], "kill")

    def _gateway_drained(self):
        return self._away([self._up(self.plane.gateways)], "stop")

    def _everything_killed(self):
        return self._away([*self.plane.cluster.servers, *self.plane.backends, *self.plane.gateways], "kill")

    @contextlib.contextmanager
    def _paused(self, node):
        if node is not None:
            node.pause()
        yield
        if node is not None and node.process is not None:
            node.resume()

    def _backend_paused(self):
        return self._paused(self._up(self.plane.backends))

    def _server_paused(self):
        return self._paused(self._up(self.plane.cluster.servers))

    @contextlib.contextmanager
    def _pulled(self, name, switch):
        self.plane.machines[name].cut(switch)
        yield
        self.plane.machines[name].heal(switch)

    def _backend_cut(self):
        return self._pulled(self.random.choice(self.plane.backends).name, "cluster")

    def _backend_unreachable(self):
        return self._pulled(self.random.choice(self.plane.backends).name, "front")

    def _server_cut(self):
        return self._pulled(self.random.choice(self.plane.cluster.servers).name, "cluster")

    @contextlib.contextmanager
    def _disk_slow(self):
        server = self._up(self.plane.cluster.servers)
        if server is None:
            yield
            return
        with SlowDisk(server.process, self.random.choice([2, 10, 40])):
            yield


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", help="only faults in whose name one of these words is")
    parser.add_argument("--split", action="store_true", help="servers are cut off and paused, too")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when nothing is wrong")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def summary(verdict, silent_s):
    """Of each kind of fault, how often, and how long nobody got an acknowledgement."""
    lines = ["  %-40s %5s %8s %8s" % ("fault", "times", "median s", "longest")]
    for name, seconds in sorted(silent_s.items(), key=lambda item: -statistics.median(item[1])):
        lines.append("  %-40s %5d %8.2f %8.2f" % (name, len(seconds), statistics.median(seconds), max(seconds)))
    return "\n".join(lines)


def run(options):
    """A whole campaign; prints what came of it and returns the faults."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="galaxy-chaos-"))
    print("chaos: seed %d, %g minutes, folder %s" % (options.seed, options.minutes, folder), flush=True)
    begun = time.monotonic()
    with plane.Plane(folder, seed=options.seed, machines=True) as p:
        p.start_load()
        try:
            Chaos(p, options).run(60 * options.minutes)
        except (Died, AssertionError) as died:
            p.main("fault", rule="process", text=str(died))
        verdict = p.finish()
        print(verdict.text())
        print(summary(verdict, p.silent_s))
    print("chaos: %s, %d faults, seed %d, %s, %.0f s" % ("FAILED" if verdict.faults else "passed", len(verdict.faults), options.seed,
                                                        time.strftime("%Y-%m-%d"), time.monotonic() - begun))
    if verdict.faults or options.keep:
        print("kept: %s; the same schedule: --seed %d" % (folder, options.seed), flush=True)
    else:
        shutil.rmtree(folder)
    return verdict.faults


if __name__ == "__main__":
    network.enter()
    faults = run(parse(None))
    sys.stdout.flush()
    os._exit(1 if faults else 0)  # grpcio's threads may linger
