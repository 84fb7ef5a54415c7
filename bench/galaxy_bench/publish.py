"""Publishing, acknowledged durable: over gRPC and HTTP, against NATS JetStream."""
import contextlib, json, pathlib

import harness
import plane
import support
from measure import row

PAYLOAD = 256
IN_FLIGHT = 8_192  # events without an acknowledgement, the same for all
STREAMS = 4


def figures(answer, span, process):
    return {"events/s": answer["per_second"], "ms p50 ack": answer["ack_ms"]["p50"], "ms p99 ack": answer["ack_ms"]["p99"],
            "µs server CPU/event": span.cpu_s[process] * 1e6 / answer["acknowledged"],
            "µs publisher CPU/event": answer["cpu_seconds"] * 1e6 / answer["acknowledged"]}


def over_grpc(events, engine, rate=0, in_flight=IN_FLIGHT):
    """One backend with its defaults; its threads share the server's CPU."""
    with support.folder() as data:
        with support.backend(data=data / "log" if engine == "sqlite" else None) as backend:
            span = support.Span(backend=backend.process.pid)
            more = {"rate": rate} if rate else {}
            answer = plane.publish(backend, events, support.LOAD, PAYLOAD, STREAMS, in_flight=in_flight // STREAMS, **more)
            span.stop()
    if answer["acknowledged"] != events:
        raise RuntimeError("of %d events %d were acknowledged" % (events, answer["acknowledged"]))
    return figures(answer, span, "backend")


def over_grpc_unpinned(events):
    """Loop and log thread of the backend may use both CPUs, and so may the publisher."""
    with support.folder() as data, harness.backend("--log-level", "warn", data=data / "log") as backend:
        span = support.Span(backend=backend.process.pid)
        answer = json.loads(support.run(None, support.program("load_driver"), backend.listen, "--events", events, "--seconds", 600,
                                        "--streams", STREAMS, "--payload", PAYLOAD, "--in-flight", IN_FLIGHT // STREAMS))
        span.stop()
    return figures(answer, span, "backend")


@contextlib.contextmanager
def jetstream(cpu):
    """A nats-server with its defaults and a store of its own; yields (process, URL)."""
    program = support.installed("nats-server")
    with support.folder() as data:
        config = data / "nats.conf"
        config.write_text('listen: "127.0.0.1:-1"\nports_file_dir: "%s"\njetstream { store_dir: "%s" }\n' % (data, data / "store"))
        with support.started(cpu, program, "-c", config) as process:
            ports = harness.wait_for("nats-server listens", lambda: nats_ports(data))
            yield process, ports["nats"][0]


def nats_ports(folder):
    for file in pathlib.Path(folder).glob("*.ports"):
        with contextlib.suppress(ValueError):
            return json.loads(file.read_text())
    return None


def over_jetstream(events, ids, in_flight=IN_FLIGHT):
    with jetstream(support.SERVER) as (server, url):
        span = support.Span(server=server.pid)
        answer = support.run_json(support.LOAD, support.program("nats_publish", "libnats-dev"), url, events, PAYLOAD, in_flight, "ids" if ids else "plain")
        span.stop()
    return figures(answer, span, "server")


@row("publish_grpc", "publish, gRPC stream, SQLite engine, acknowledged durable", target="400 k events/s, p99 acknowledgement 25 ms; 3x JetStream",
     method="As fast as it goes, %d events without an acknowledgement at most, %d-byte payloads, every event with an idempotency key, over %d streams from "
            "one thread. Ours acknowledges after the sync of the transaction. nats-server 2.9 with file storage acknowledges when the message is in a file's "
            "cache and syncs every two minutes, so its promise is the smaller; js_PublishAsync on one connection, with Nats-Msg-Id (it drops duplicates, as ours "
            "does) and without. The backend's loop and log thread share one CPU; `not pinned` lets everybody use both."
            % (IN_FLIGHT, PAYLOAD, STREAMS))
def publish_grpc(m):
    events = m.count(1_000_000, 10_000)
    m.subject("galaxy", "Galaxy Push, SQLite", lambda: over_grpc(events, "sqlite"))
    m.subject("nats ids", "JetStream, with message ids", lambda: over_jetstream(events // 2, True))
    m.subject("nats", "JetStream, without", lambda: over_jetstream(events // 2, False))
    m.subject("deep", "Galaxy Push, SQLite, four times as many in flight", lambda: over_grpc(events, "sqlite", in_flight=4 * IN_FLIGHT))
    m.subject("deep ids", "JetStream, with message ids, four times as many in flight", lambda: over_jetstream(events // 2, True, 4 * IN_FLIGHT))
    m.subject("unpinned", "Galaxy Push, SQLite, not pinned", lambda: over_grpc_unpinned(events))
    m.subject("memory", "Galaxy Push, memory engine", lambda: over_grpc(events, "memory"))
    m.run()
    m.reach("events/s", m.of("galaxy", "events/s"), at_least=400e3)
    m.reach("ms p99 acknowledgement", m.of("galaxy", "ms p99 ack"), at_most=25)
    m.reach("events/s, times JetStream with ids", m.ratio("galaxy", "nats ids", "events/s"), at_least=3)
    m.reach("events/s, times JetStream with ids, four times as many in flight", m.ratio("deep", "deep ids", "events/s"), at_least=3)
    m.reach("events/s, times JetStream without", m.ratio("galaxy", "nats", "events/s"), at_least=3)
    m.reach("events/s, not pinned", m.of("unpinned", "events/s"), at_least=400e3)
    m.reach("ms p99 acknowledgement, not pinned", m.of("unpinned", "ms p99 ack"), at_most=25)


@row("publish_grpc_paced", "the same at 250,000 events/s", target="p99 acknowledgement 25 ms",
     method="As above, but paced: what an acknowledgement takes when the log is busy and not flooded.")
def publish_grpc_paced(m):
    rate = m.count(250_000, 5_000)
    m.subject("galaxy", "Galaxy Push, SQLite", lambda: over_grpc(m.count(1_000_000, 5_000), "sqlite", rate))
    m.run()
    m.reach("ms p99 acknowledgement", m.of("galaxy", "ms p99 ack"), at_most=25)
    m.reach("events/s", m.of("galaxy", "events/s"), at_least=0.98 * rate)


def over_http(events, engine, lines, connections):
    with support.folder() as data:
        with support.backend(data=data / "log" if engine == "sqlite" else None) as backend:
            span = support.Span(backend=backend.process.pid)
            answer = support.run_json(support.LOAD, "/usr/bin/python3", pathlib.Path(__file__).with_name("ndjson_load.py"), backend.listen, events,
                                      PAYLOAD, lines, connections)
            span.stop()
    return {"events/s": answer["per_second"], "ms p50 request": answer["request_ms"]["p50"], "ms p99 request": answer["request_ms"]["p99"],
            "µs server CPU/event": span.cpu_s["backend"] * 1e6 / answer["acknowledged"],
            "µs publisher CPU/event": answer["cpu_seconds"] * 1e6 / answer["acknowledged"]}


@row("publish_http", "publish, HTTP NDJSON", target="200 k events/s",
     method="POST /v1/events, application/x-ndjson, 1,000 events a request, four HTTP/1.1 connections with one request in flight each, %d-byte payloads, every event "
            "with an idempotency key; each line of each answer is looked at." % PAYLOAD)
def publish_http(m):
    events, lines = m.count(600_000, 4_000), m.count(1_000, 100)
    m.subject("galaxy", "Galaxy Push, SQLite", lambda: over_http(events, "sqlite", lines, 4))
    m.subject("memory", "Galaxy Push, memory engine", lambda: over_http(events, "memory", lines, 4))
    m.run()
    m.reach("events/s, SQLite", m.of("galaxy", "events/s"), at_least=200e3)
    m.reach("events/s, memory engine", m.of("memory", "events/s"), at_least=200e3)
