"""What the rows share: pinned processes, what they cost, programs that are there or not, the machine.

    with support.on_cpu(support.SERVER):
        server = harness.backend()
    before = support.cpu_ns(server.process.pid)

CPU time is a process's own, of all its threads, ended ones too, from the kernel's clock of it in nanoseconds; never the
wall's. Server and load each have a CPU of their own where there are two.
"""
import contextlib, ctypes, json, os, pathlib, platform, shutil, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import harness  # noqa: E402  (GALAXY_PUSH and GALAXY_BUILD are set by run.py before this is imported)

_CPUS = sorted(os.sched_getaffinity(0))
SERVER, LOAD = _CPUS[0], _CPUS[-1]
MIB = 1 << 20
DEADLINE_S = 300


class Absent(Exception):
    """A peer, or what a row needs, whose package is not on this machine. Says how to get it."""


def program(name, package=None):
    """A program of the bench build. It may be absent only when it needs a package that `make test` does not install."""
    path = harness.BUILD / name
    if not path.exists():
        if package is None:
            raise RuntimeError("%s is not in %s: build it with -DGALAXY_BENCH=ON" % (name, harness.BUILD))
        raise Absent("%s was not built: %s was missing (tools/setup bench)" % (name, package))
    return str(path)


def installed(name, package=None):
    """A program of the system."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Absent("%s is not installed (tools/setup bench)" % (package or name))
    return path


@contextlib.contextmanager
def on_cpu(cpu):
    """What is started within runs on that CPU alone; None: wherever the system likes. Main thread only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _CPUS if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


@contextlib.contextmanager
def started(cpu, *arguments, **options):
    """A process of another program, pinned; killed at the end."""
    options.setdefault("stdout", subprocess.DEVNULL)
    options.setdefault("stderr", subprocess.DEVNULL)
    with on_cpu(cpu):
        process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def run(cpu, *arguments, timeout=DEADLINE_S, **options):
    """Runs a program to its end, pinned; returns what it printed. Its failure is ours."""
    with on_cpu(cpu):
        done = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=timeout, **options)
    if done.returncode != 0:
        raise RuntimeError("%s: exit status %d\n%s%s" % (" ".join(map(str, arguments)), done.returncode, done.stdout[-2000:], done.stderr[-2000:]))
    return done.stdout


def run_json(cpu, *arguments, **options):
    """The same for a program whose last line is one JSON object."""
    return json.loads(run(cpu, *arguments, **options).strip().splitlines()[-1])


def started_on_port(cpu, *arguments):
    """`started` for a program of ours whose first line of output is the port it listens on."""
    @contextlib.contextmanager
    def both():
        with started(cpu, *arguments, stdout=subprocess.PIPE) as process:
            line = process.stdout.readline()
            if not line.strip():
                raise RuntimeError("%s ended before it listened" % arguments[0])
            yield process, "127.0.0.1:%d" % int(line)
    return both()


def backend(*arguments, data=None, cpu=None):
    """A backend of ours that minds no time bound: what a row measures must not be cut off for being stopped."""
    with on_cpu(SERVER if cpu is None else cpu):
        return harness.backend("--window", "1h", "--slow", "1h", "--ping", "1h", "--log-level", "warn", *arguments, data=data)


def gateway(backend_address, keys, data, *arguments, cpu=None):
    """A gateway of ours, likewise."""
    with on_cpu(SERVER if cpu is None else cpu):
        return harness.gateway(backend_address, keys, data, "--window", "1h", "--stale-after", "1h", "--ping", "1h", "--client-queue-age", "1h", "--log-level", "warn",
                               *arguments)


@contextlib.contextmanager
def folder():
    """For data that must lie on a real disk: beside the build, not in a /tmp that may be memory."""
    path = tempfile.mkdtemp(prefix="bench-data-", dir=harness.BUILD)
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def cpu_ns(pid):
    """CPU time of a whole process so far, in nanoseconds: the clock of clock_getcpuclockid(3)."""
    return int(time.clock_gettime_ns((~pid << 3) | 2))


def pss_bytes(pid):
    """What a process holds of the memory, shared pages in proportion."""
    return _rollup(pid, "Pss:")


def rss_bytes(pid):
    return _rollup(pid, "Rss:")


def _rollup(pid, name):
    for line in pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no %s in smaps_rollup" % name)


def peak_rss_bytes(pid):
    return int(pathlib.Path("/proc/%d/status" % pid).read_text().split("VmHWM:")[1].split()[0]) * 1024


class Span:
    """Wall and CPU time of processes from its making to stop()."""

    def __init__(self, **pids):
        self.pids = pids
        self.begin = {name: cpu_ns(pid) for name, pid in pids.items()}
        self.begin_wall = time.monotonic_ns()

    def stop(self):
        self.seconds = (time.monotonic_ns() - self.begin_wall) / 1e9
        self.cpu_s = {name: (cpu_ns(pid) - self.begin[name]) / 1e9 for name, pid in self.pids.items()}
        return self


class InBackground(threading.Thread):
    """A function on a thread, whose result or failure join_result() gives."""

    def __init__(self, function, *arguments, **named):
        super().__init__(daemon=True)
        self.call, self.result, self.error = (function, arguments, named), None, None
        self.start()

    def run(self):
        try:
            self.result = self.call[0](*self.call[1], **self.call[2])
        except BaseException as error:  # handed to whoever joins
            self.error = error

    def join_result(self, seconds=DEADLINE_S):
        self.join(seconds)
        if self.is_alive():
            raise RuntimeError("not done within %d s" % seconds)
        if self.error:
            raise self.error
        return self.result


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _output(*command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 1048576
    return {"processor": "%d x %s" % (os.cpu_count(), model), "memory": "%.0f GiB" % memory, "kernel": platform.release(),
            "system": _os_name(), "disk": _output("stat", "-f", "-c", "%T", str(harness.BUILD)),
            "load_at_start": "%.1f" % os.getloadavg()[0],
            "server_cpu": SERVER, "load_cpu": LOAD}


def _os_name():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "Linux"


def versions():
    """Of what the rows compare with, as far as it is installed."""
    packages = ("libgrpc++-dev", "python3-grpcio", "nats-server", "libnats-dev", "libnginx-mod-nchan", "nginx-light", "nodejs",
                "libnghttp2-14", "libsqlite3-0", "libsodium23", "g++-12")
    found = {}
    for package in packages:
        version = _output("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            found[package] = version
    lock = json.loads((ROOT / "tests" / "package-lock.json").read_text())
    found["@grpc/grpc-js"] = lock["packages"]["node_modules/@grpc/grpc-js"]["version"]
    commit = _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    dirty = _output("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "src", "proto", "bench")
    found["galaxy-push"] = (commit or "unknown") + (" with changes" if dirty else "")
    return found
