"""The contract stream: backend to gateways, against gRPC C++ and with the clients of other languages."""
import json, subprocess, zlib

import harness
import plane
import support
from measure import row


def grpc_server(mode):
    return support.started_on_port(support.SERVER, support.program("grpc_stream_server", "libgrpc++-dev"), mode, plane.MESSAGE_BYTES)


def both_ends(events, seconds, server_s, client_s):
    return {"events/s": events / seconds, "events/CPU-second": events / (server_s + client_s),
            "µs server CPU/event": server_s * 1e6 / events, "µs client CPU/event": client_s * 1e6 / events}


def to_gateway(events):
    """The real processes: everything that a gateway does with an event is in its figure."""
    with plane.backend_and_gateway(support.SERVER, support.LOAD, events) as (backend, gateway, keys):
        plane.ring_filled(backend, gateway, keys, events // plane.FILL, support.LOAD)
        span = plane.waiting_events(backend, gateway, keys, events, support.LOAD)
    return both_ends(events, span.seconds, span.cpu_s["backend"], span.cpu_s["gateway"])


def to_library(backend, events):
    """Split and decoded by view, counted: what the gRPC clients do."""
    span = support.Span(backend=backend.process.pid)
    read = support.run_json(support.LOAD, support.program("entry_reader"), backend.listen, "--entries", events)
    span.stop()
    return both_ends(events, read["seconds"], span.cpu_s["backend"], read["cpu_seconds"])


def grpc_to_grpc(mode, events):
    with grpc_server(mode) as (server, address):
        span = support.Span(server=server.pid)
        read = support.run_json(support.LOAD, support.program("grpc_stream_client", "libgrpc++-dev"), mode, address, events)
        span.stop()
    return both_ends(events, read["seconds"], span.cpu_s["server"], read["cpu_seconds"])


def filled_backend(events, **more):
    backend = support.backend("--ring-bytes", plane.ring_bytes(events), "--dedupe-keys", max(1000, 2 * events), "--canary", "1h")
    plane.publish(backend, events, support.LOAD, **more)
    return backend


@row("stream", "contract stream, backend to one of our gateways", target="5 M events/s; 20x gRPC C++ per CPU-second",
     method="Messages of %d bytes. Galaxy Push: the backend and the gateway as they are shipped; the gateway was stopped while the events were "
            "published (nobody here waits for them but for the last), the time ends when a client has that; its ring was full before. The client library reads the same ring from "
            "its start and decodes by view. gRPC C++: callback = pre-encoded ByteBuffers on both ends; sync = typed messages on both ends." % plane.MESSAGE_BYTES)
def stream(m):
    events, peer_events = m.count(2_000_000, 20_000), m.count(300_000, 5_000)
    with filled_backend(events) as backend:
        m.subject("galaxy", "Galaxy Push, backend to gateway", lambda: to_gateway(events))
        m.subject("library", "Galaxy Push, backend to the C++ client library", lambda: to_library(backend, events))
        m.subject("callback", "gRPC C++, callback and raw", lambda: grpc_to_grpc("callback", peer_events))
        m.subject("sync", "gRPC C++, sync and typed", lambda: grpc_to_grpc("sync", peer_events))
        m.run()
    m.reach("events/s to a gateway", m.of("galaxy", "events/s"), at_least=5e6)
    m.reach("events/CPU-second to a gateway, times gRPC C++ callback", m.ratio("galaxy", "callback", "events/CPU-second"), at_least=20)
    m.reach("events/CPU-second to a gateway, times gRPC C++ sync", m.ratio("galaxy", "sync", "events/CPU-second"), at_least=20)
    m.reach("events/s to the client library", m.of("library", "events/s"))
    m.reach("events/CPU-second to the client library, times gRPC C++ callback", m.ratio("library", "callback", "events/CPU-second"))


def of_partitions(backend, events, partitions):
    """A subscription to so many partitions reads the ring from its start."""
    wanted = sum(zlib.crc32(b"user-%06d" % (n % 100_000)) % 256 < partitions for n in range(events))
    span = support.Span(backend=backend.process.pid)
    support.run_json(support.LOAD, support.program("entry_reader"), backend.listen, "--entries", wanted, "--partitions", "0-%d" % (partitions - 1))
    span.stop()
    return {"ns backend CPU/event of the log": span.cpu_s["backend"] * 1e9 / events, "ns backend CPU/event written": span.cpu_s["backend"] * 1e9 / wanted}


@row("stream_partitions", "contract stream of some partitions (semantics 4.11)",
     method="The client library reads the backend's full ring from its start: all 256 partitions, 64 of them and one, and its events are counted. The CPU of the backend is told per "
            "event in the log, which is what a subscription costs by the events that others publish, too, and per event that it was sent.")
def stream_partitions(m):
    events = m.count(2_000_000, 20_000)
    with filled_backend(events, streams=1) as backend:  # one publisher: whose events there are is known
        for partitions, name in ((256, "all partitions"), (64, "64 of 256 partitions"), (1, "one of 256 partitions")):
            m.subject(str(partitions), name, lambda partitions=partitions: of_partitions(backend, events, partitions))
        m.run()
    m.reach("CPU per event of the log for one partition, of that for all", m.ratio("1", "256", "ns backend CPU/event of the log"))


PEERS = support.ROOT / "bench" / "peers"


def other_client(language, address, events, cursor):
    if language == "grpcio":
        command = ["/usr/bin/python3", PEERS / "grpcio_client.py"]
    else:
        if not (support.ROOT / "tests" / "node_modules" / "@grpc" / "grpc-js").exists():
            raise support.Absent("@grpc/grpc-js is not installed (make node-modules)")
        command = [support.installed("node", "nodejs"), PEERS / "grpc_js_client.mjs"]
    return support.run_json(support.LOAD, *command, address, events, cursor)


def served(language, events, pid, address, cursor):
    span = support.Span(server=pid)
    read = other_client(language, address, events, cursor)
    span.stop()
    return {"µs server CPU/event": span.cpu_s["server"] * 1e6 / events, "events/s": events / read["seconds"],
            "bytes/message": read["bytes"] / events, "µs client CPU/event": read["cpu_seconds"] * 1e6 / events}


def served_by_grpc(language, mode, events):
    with grpc_server(mode) as (server, address):
        return served(language, events, server.pid, address, str(events))


@row("stream_other_clients", "the same stream to grpcio and grpc-js clients", target="backend CPU per event at most a tenth of a grpc++ server's",
     method="The same client against both servers: it receives messages of %d bytes, counts, and decodes none. The server's CPU is compared; the rate is "
            "the client's affair." % plane.MESSAGE_BYTES)
def stream_other_clients(m):
    events = m.count(100_000, 2_000)
    with filled_backend(events) as backend:
        for language in ("grpcio", "grpc-js"):
            m.subject("galaxy " + language, "Galaxy Push to " + language,
                      lambda language=language: served(language, events, backend.process.pid, backend.listen, "-"))
            for mode in ("callback", "sync"):
                m.subject(mode + " " + language, "gRPC C++ (%s) to %s" % (mode, language),
                          lambda language=language, mode=mode: served_by_grpc(language, mode, events))
        m.run()
    for language in ("grpcio", "grpc-js"):
        for mode in ("callback", "sync"):
            m.reach("server CPU per event to %s, of gRPC C++ %s" % (language, mode),
                    m.ratio("galaxy " + language, mode + " " + language, "µs server CPU/event"), at_most=0.1)


def live_gateways(backend, readers, events, rate):
    """Subscriptions that keep up with events as they are published; the backend's CPU and memory for all of it."""
    pid = backend.process.pid
    options = ["--entries", events, "--readers", readers, "--from", "now"]
    if readers == 0:
        span = support.Span(backend=pid)
        plane.publish(backend, events, support.LOAD, rate=rate)
        return span.stop(), None
    with support.started(support.LOAD, support.program("entry_reader"), backend.listen, *options, stdout=subprocess.PIPE) as reader:
        if reader.stdout.readline().strip() != b"ready":
            raise RuntimeError("entry_reader was not accepted")
        span = support.Span(backend=pid)
        plane.publish(backend, events, support.LOAD, rate=rate)
        read = json.loads(reader.stdout.readline())
        return span.stop(), read


def growth_of_gateways(events, rate, counts):
    """{readers: (CPU seconds of the backend, its peak of RSS in MiB, seconds of the readers)}, a backend each."""
    found = {}
    for readers in counts:
        with support.backend("--ring-bytes", plane.ring_bytes(events), "--dedupe-keys", max(1000, 2 * events), "--canary", "1h") as backend:
            span, read = live_gateways(backend, readers, events, rate)
            found[readers] = (span.cpu_s["backend"], support.peak_rss_bytes(backend.process.pid) / support.MIB, read and read["seconds"])
    return found


def hundred(events, rate, readers):
    found = growth_of_gateways(events, rate, (0, 1, readers))
    none, one, all_of_them = found[0], found[1], found[readers]
    return {"µs backend CPU/event and gateway": (all_of_them[0] - none[0]) * 1e6 / events / readers,
            "µs backend CPU/event, no gateway": none[0] * 1e6 / events,
            "MiB peak, one gateway": one[1], "MiB peak, all": all_of_them[1], "seconds behind the publisher": max(0, all_of_them[2] - events / rate)}


def hundred_resume(events, readers):
    """All of them at once from the ring's start: the way of an event to a gateway, without the publisher and with full writes."""
    with filled_backend(events) as backend:
        span = support.Span(backend=backend.process.pid)
        read = support.run_json(support.LOAD, support.program("entry_reader"), backend.listen, "--entries", events, "--readers", readers)
        span.stop()
    return {"µs backend CPU/event and gateway": span.cpu_s["backend"] * 1e6 / events / readers, "events/s, all gateways": events * readers / read["seconds"]}


@row("stream_hundred", "100 gateways on one backend, all current", target="backend CPU per event and gateway at most 0.1 µs, memory as for one",
     method="Events of %d bytes published at a steady rate over four streams while 100 subscriptions of the client library, in one process on the load's CPU, read "
            "them live. CPU: what the backend needs with the hundred, less what it needs with none, over events times gateways; the publisher sends every millisecond, so "
            "a lower rate means a write for fewer events. Memory: the backend's peak of RSS. Resume: no publisher, all hundred read the ring from its start at once."
            % plane.MESSAGE_BYTES)
def stream_hundred(m):
    events, readers = m.count(150_000, 3_000), m.count(100, 10)
    m.subject("galaxy", "Galaxy Push, live at 30,000 events/s", lambda: hundred(events, 30_000, readers))
    m.subject("slow", "Galaxy Push, live at 10,000 events/s", lambda: hundred(events // 3, 10_000, readers))
    m.subject("fast", "Galaxy Push, live at 80,000 events/s", lambda: hundred(2 * events, 80_000, readers))
    m.subject("resume", "Galaxy Push, all resume at once", lambda: hundred_resume(events // 3, readers))
    m.run()
    unit = "µs backend CPU/event and gateway"
    m.reach(unit + ", live at 80,000/s", m.of("fast", unit), at_most=0.1)
    m.reach(unit + ", live at 30,000/s", m.of("galaxy", unit), at_most=0.1)
    m.reach(unit + ", live at 10,000/s", m.of("slow", unit), at_most=0.1)
    m.reach(unit + ", resume", m.of("resume", unit), at_most=0.1)
    m.reach("memory, times that of one gateway", m.of("galaxy", "MiB peak, all") / m.of("galaxy", "MiB peak, one gateway"), at_most=1.1)
