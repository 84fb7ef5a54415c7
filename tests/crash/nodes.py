"""Processes that are killed and started again on the same data directory and the same addresses."""
import json, os, pathlib, signal, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

SHIM = harness.BUILD / "crash_fail_io.so"  # fail_io.cc

class Died(Exception):
    """A process ended that nobody killed, or did not start."""


class Node:
    """One backend or gateway through all its lives. One thread, the one that kills, calls this."""

    def __init__(self, name, folder, arguments, environment=None, disk_us=lambda: 0, run=subprocess.Popen,
                 listen="127.0.0.1:0", admin="127.0.0.1:0"):
        """`disk_us`: how much slower each write and sync of the data is in the next life, in microseconds.
        `run`: starts a command, for a node on a machine of its own (tests/cluster/network.py)."""
        self.name, self.folder = name, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.arguments, self.environment = [str(a) for a in arguments], dict(os.environ) | (environment or {})
        self.ready_file, self.log_path = self.folder / "ready.json", self.folder / "log"
        self.run, self.listen, self.admin = run, listen, admin
        self.process, self.lives, self.disk_us = None, 0, disk_us
        self.armed, self.sprung = False, False
        self.log = open(self.log_path, "ab")

    def spawn(self):
        """Starts a new life and does not wait for it."""
        assert self.process is None
        self.sprung = False
        self.ready_file.unlink(missing_ok=True)
        self.lives += 1
        self.log.write(b"--- life %d\n" % self.lives)
        self.log.flush()
        environment, slower_us = dict(self.environment), self.disk_us()
        if slower_us:
            environment |= {"LD_PRELOAD": str(SHIM), "FAIL_IO_UNDER": str(self.data), "FAIL_IO_US": str(slower_us)}
        command = [harness.BINARY, *self.arguments, "--listen", self.listen, "--admin", self.admin, "--ready-file", str(self.ready_file)]
        self.process = self.run(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)

    def bound(self):
        """Whether this life has bound its addresses; after the first life they stay the same."""
        self.check()
        if not self.ready_file.exists():
            return False
        addresses = json.loads(self.ready_file.read_text())
        self.listen, self.admin = addresses["listen"], addresses["admin"]
        return True

    def ready(self):
        self.check()
        try:
            return self.bound() and harness.get(self.admin, "/readyz").status == 200
        except OSError:
            return False

    def start(self, until="ready", seconds=30):
        self.spawn()
        self.wait(until, seconds)

    def wait(self, until="ready", seconds=30):
        end = time.monotonic() + seconds
        condition = self.ready if until == "ready" else self.bound
        while not condition():
            if time.monotonic() > end:
                raise Died("%s is not %s within %d s\n%s" % (self.name, until, seconds, self.tail()))
            time.sleep(0.002)

    def check(self):
        """Raises when the process ended by itself."""
        if self.process is not None and not self.sprung and self.process.poll() is not None:
            status = self.process.returncode
            self.process = None
            raise Died("%s ended by itself with status %d\n%s" % (self.name, status, self.tail()))

    def arm(self):
        """From now on the next spring() kills."""
        self.armed = True

    def spring(self):
        """From any thread, the instant something has happened. Whoever armed it calls kill() afterwards."""
        if self.armed:
            self.armed, self.sprung = False, True
            os.kill(self.process.pid, signal.SIGKILL)

    def kill(self):
        self.check()
        self.armed = False
        self.process.send_signal(signal.SIGKILL)
        status = self.process.wait()
        self.process = None
        if status != -signal.SIGKILL:
            raise Died("%s ended with status %d before SIGKILL came\n%s" % (self.name, status, self.tail()))

    def stop(self, seconds=30):
        """SIGTERM; returns the exit status."""
        self.check()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self.process = None
        return status

    def pause(self):
        self.check()
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def tail(self, bytes_max=4000):
        return "%s\n%s" % (self.log_path, self.log_path.read_bytes()[-bytes_max:].decode(errors="replace"))

    def end(self):
        """For clean-up: whatever state it is in."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.log.close()
