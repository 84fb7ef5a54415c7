"""A disk that takes long, under one running process: strace holds up each of its writes and syncs.

nats-server is a static Go program, so LD_PRELOAD does not reach it; this works on any kernel that lets a parent trace
(no device mapper, no FUSE, no cgroup needed), from one moment to another, and leaves the process as it was.
nats-server writes its files with pwrite64 and its sockets with write and writev: only files are slow.
"""
import shutil, signal, subprocess, time

CALLS = "pwrite64,fsync,fdatasync,ftruncate"


class SlowDisk:
    """Each write of `process` takes `ms` longer, from construction to end(). A context manager."""

    def __init__(self, process, ms):
        if shutil.which("strace") is None:
            raise RuntimeError("strace is missing: tools/setup test")
        command = ["strace", "-f", "-q", "-e", "trace=" + CALLS, "-e", "inject=%s:delay_enter=%d" % (CALLS, ms * 1000), "-o", "/dev/null", "-p", str(process.pid)]
        self.tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._wait_attached(process.pid)

    def _wait_attached(self, pid):
        end = time.monotonic() + 5
        while tracer_of(pid) != self.tracer.pid:
            if self.tracer.poll() is not None or time.monotonic() > end:
                self.tracer.kill()
                raise RuntimeError("strace does not attach: " + self.tracer.stderr.read())
            time.sleep(0.01)

    def end(self):
        self.tracer.send_signal(signal.SIGINT)  # it detaches and ends
        self.tracer.wait(10)
        self.tracer.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.end()


def tracer_of(pid):
    """Who traces a process; 0: nobody."""
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("TracerPid:"))
