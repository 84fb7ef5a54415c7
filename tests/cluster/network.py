"""Machines of a small network inside this one: a network namespace each, on two switches whose cables can be pulled.

    cluster   10.77.1.0/24   servers among each other, and backends to servers
    front     10.77.2.0/24   gateways and tests to backends, and how a test watches a machine that is cut off

enter() moves the whole test into a namespace of its own, where the switches stand. Nothing is named globally: tests
run beside each other, and all of it is gone when the test's processes are. Needs iproute2 and util-linux; root, or
a kernel that lets everybody make user namespaces.
"""
import ctypes, os, pathlib, subprocess, sys, time, unittest

CLONE_NEWNET = 0x40000000
SWITCHES = {"cluster": "10.77.1", "front": "10.77.2"}
INSIDE = "GALAXY_TEST_INSIDE_NAMESPACE"


def enter():
    """To be called first in a test's main, while it has one thread: from here on this process has a network of its own."""
    if os.environ.get(INSIDE):
        pass
    elif os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            _without("unshare: " + os.strerror(ctypes.get_errno()))
    else:
        probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True)
        if probe.returncode != 0:
            _without("not root, and " + probe.stderr.strip())
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-rn", sys.executable, *sys.argv])
    _ip("link set lo up")
    for name, net in SWITCHES.items():
        _ip("link add %s type bridge" % name)
        _ip("addr add %s.1/24 dev %s" % (net, name))
        _ip("link set %s up" % name)


def _without(why):
    """No namespaces here: the tests are not run, and ctest shows them as skipped (SKIP_RETURN_CODE 77)."""
    sys.stderr.write("\n*** SKIPPED: cuts need network namespaces, and this machine gives none: %s ***\n\n" % why)
    sys.exit(77)


def _ip(arguments):
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("ip %s: %s" % (arguments, done.stderr.strip()))


class Machine:
    """A namespace with one cable to each switch. `number`: the last part of its addresses, 2..250."""

    listen = "0.0.0.0"

    def __init__(self, name, number):
        self.name = name
        self.address, self.watch = ("%s.%d" % (SWITCHES[s], number) for s in ("cluster", "front"))
        # It lives as long as this process, which dies with the test.
        self.holder = subprocess.Popen(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sleep", "infinity"])
        self.namespace = "/proc/%d/ns/net" % self.holder.pid
        mine, end = os.readlink("/proc/self/ns/net"), time.monotonic() + 10
        while os.readlink(self.namespace) == mine or pathlib.Path("/proc/%d/comm" % self.holder.pid).read_text() != "sleep\n":
            if time.monotonic() > end:
                raise RuntimeError("no namespace for " + name)
            time.sleep(0.002)
        for switch, net in SWITCHES.items():
            cable = self._cable(switch)
            _ip("link add %s type veth peer name %s netns %d" % (cable, switch, self.holder.pid))
            _ip("link set %s master %s up" % (cable, switch))
            self._inside("ip addr add %s.%d/24 dev %s" % (net, number, switch))
            self._inside("ip link set %s up" % switch)
        self._inside("ip link set lo up")

    def _cable(self, switch):
        return "%s-%s" % (switch[0], self.name)

    def _inside(self, command):
        subprocess.run(["nsenter", "--net=" + self.namespace, *command.split()], check=True)

    def run(self, command, **popen):
        """A process on this machine; its id is the command's own."""
        return subprocess.Popen(["nsenter", "--net=" + self.namespace, *command], **popen)

    def cut(self, switch="cluster"):
        """Pulls the cable at the switch: what is sent vanishes, nobody is told, connections stay half open."""
        _ip("link set %s nomaster" % self._cable(switch))

    def heal(self, switch="cluster"):
        _ip("link set %s master %s" % (self._cable(switch), switch))

    def end(self):
        self.holder.kill()
        self.holder.wait()
