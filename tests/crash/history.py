"""What a campaign saw, one file of JSON lines per observer, so that it can be judged afterwards and again.

Each record has `t`, seconds on the test's monotonic clock, and `what`. A line is with the kernel before
the observer goes on: what was acknowledged to the test is remembered whatever becomes of the test.
"""
import json, pathlib, threading, time


class History:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.sinks = {}

    def sink(self, name):
        with self.lock:
            if name not in self.sinks:
                self.sinks[name] = Sink(self.folder / (name + ".ndjson"))
            return self.sinks[name]

    def close(self):
        for sink in self.sinks.values():
            sink.close()


class Sink:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1, encoding="utf-8")
        self.lock = threading.Lock()

    def __call__(self, what, t=None, **fields):
        line = json.dumps({"t": round(time.monotonic() if t is None else t, 6), "what": what} | fields, ensure_ascii=False)
        with self.lock:
            self.file.write(line + "\n")

    def close(self):
        self.file.close()


def load(folder, prefix):
    """The records of all observers whose names begin with `prefix`, by time."""
    records = []
    for path in sorted(pathlib.Path(folder).glob(prefix + "*.ndjson")):
        with open(path, encoding="utf-8") as file:
            records += [json.loads(line) for line in file]
    return sorted(records, key=lambda r: r["t"])
