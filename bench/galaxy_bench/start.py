"""From the start of the process to ready."""
import contextlib, http.client, json, signal, socket, time

import harness
import plane
import publish
import support
from measure import row


def until(condition, seconds=60):
    """Milliseconds on the wall until `condition()`, looked at every half millisecond."""
    begin = time.monotonic()
    while True:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            if condition():
                return (time.monotonic() - begin) * 1e3
        if time.monotonic() > begin + seconds:
            raise RuntimeError("not ready within %d s" % seconds)
        time.sleep(0.0005)


def ready(cpu, *arguments):
    """Starts a subcommand; (ms until /readyz says yes, its CPU ms), and ends it as a crash would."""
    with support.folder() as folder:
        file = folder / "ready.json"
        begin = time.monotonic()
        with support.started(cpu, harness.BINARY, *arguments, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ready-file", file) as process:
            until(file.exists)
            until(lambda: harness.get(json.loads(file.read_text())["admin"], "/readyz").status == 200)
            wall_ms = (time.monotonic() - begin) * 1e3
            return wall_ms, support.cpu_ns(process.pid) / 1e6


def backend_empty():
    with support.folder() as data:
        wall, cpu = ready(support.SERVER, "backend", "--data", data / "log", "--window", "1h")
    return {"ms to ready": wall, "ms CPU": cpu}


def gateway_empty():
    with support.folder() as data, support.backend(cpu=support.LOAD) as backend:
        keys = harness.Keys(data)
        wall, cpu = ready(support.SERVER, "gateway", "--id", "gw-1", "--backend", backend.listen, "--data", data / "gateway", "--jwks", keys.jwks,
                          "--issuer", keys.ISSUER, "--audience", keys.AUDIENCE)
    return {"ms to ready": wall, "ms CPU": cpu}


def nats_empty():
    begin = time.monotonic()
    with publish.jetstream(support.SERVER) as (server, url):
        host, port = url.rsplit("/", 1)[1].rsplit(":", 1)
        until(lambda: socket.create_connection((host, int(port)), 1).close() is None)
        return {"ms to ready": (time.monotonic() - begin) * 1e3, "ms CPU": support.cpu_ns(server.pid) / 1e6}


@row("start", "binary start to ready", target="50 ms",
     method="From before fork to the first 200 of /readyz, on the wall, looked at every half millisecond; a new folder each time, so its making and syncing is "
            "in it. The gateway: with a backend beside it, its feed caught up. nats-server: with JetStream on a new store, until it accepts.")
def start(m):
    m.subject("galaxy", "Galaxy Push backend, SQLite", backend_empty)
    m.subject("gateway", "Galaxy Push gateway", gateway_empty)
    m.subject("nats", "nats-server, JetStream", nats_empty)
    m.run()
    m.reach("ms, backend", m.of("galaxy", "ms to ready"), at_most=50)
    m.reach("ms, gateway", m.of("gateway", "ms to ready"), at_most=50)


def filled_log(folder, events, ring):
    """A log whose ring is full, as a crash leaves it; how many entries the ring held."""
    with support.backend("--ring-bytes", ring, data=folder / "log") as backend:
        plane.publish(backend, events, support.LOAD, publish.PAYLOAD)
        entries, evicted = backend.metric("galaxy_push_ring_entries"), backend.metric("galaxy_push_ring_evicted_by_cap_total")
        backend.stop(signal.SIGKILL)
    return entries, evicted


def full_ring(folder, ring):
    wall, cpu = ready(support.SERVER, "backend", "--data", folder / "log", "--window", "1h", "--ring-bytes", ring)
    return {"ms to ready": wall, "ms CPU": cpu}


@row("start_full", "binary start to ready, with a full ring", target="2 s",
     method="The default ring of 256 MiB, filled until entries left it, and the backend killed (SIGKILL); then as above, again and again on the same folder.")
def start_full(m):
    ring = m.count(256 * support.MIB, 2 * support.MIB)
    with support.folder() as folder:
        entries, evicted = filled_log(folder, m.count(900_000, 10_000), ring)
        if not evicted:
            raise RuntimeError("the ring is not full: %d entries" % entries)
        m.subject("galaxy", "Galaxy Push backend, SQLite", lambda: full_ring(folder, ring))
        m.run()
    m.note("The ring held %d entries." % entries)
    m.reach("ms, full ring", m.of("galaxy", "ms to ready"), at_most=2000)
