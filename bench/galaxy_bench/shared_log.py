"""The log of several backends, over NATS JetStream: what one and three servers cost."""
import contextlib, sys

import harness
import plane
import publish
import stream
import support
from measure import row

sys.path.insert(0, str(harness.ROOT / "tests" / "cluster"))
import servers

PAYLOAD = publish.PAYLOAD


class Shared:
    """Backends on a log of `count` servers; the servers and the backends share the server's CPU."""

    def __init__(self, stack, count):
        support.installed("nats-server")
        with support.on_cpu(support.SERVER):
            self.cluster = stack.enter_context(servers.Cluster(stack.enter_context(support.folder()), count=count)).start()
        self.stack = stack

    def backend(self, *more):
        with support.on_cpu(support.SERVER):
            return self.stack.enter_context(harness.Process("backend", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--engine", "jetstream",
                                                            "--nats", self.cluster.urls, "--log-level", "warn", "--slow", "1h", *more))

    def span(self, *backends):
        return support.Span(**{"backend%d" % n: backend.process.pid for n, backend in enumerate(backends)},
                            **{"server%d" % n: server.process.pid for n, server in enumerate(self.cluster.servers)})


def cpu(span, name):
    return sum(seconds for process, seconds in span.cpu_s.items() if process.startswith(name))


def publishing(events, count, readers=0, **more):
    """Publishes to one of `1 + readers` backends; the others only read the log."""
    with contextlib.ExitStack() as stack:
        shared = Shared(stack, count)
        backends = [shared.backend() for _ in range(1 + readers)]
        span = shared.span(*backends)
        answer = plane.publish(backends[0], events, support.LOAD, PAYLOAD, publish.STREAMS, in_flight=publish.IN_FLIGHT // publish.STREAMS, **more)
        span.stop()
    if answer["acknowledged"] != events:
        raise RuntimeError("of %d events %d were acknowledged" % (events, answer["acknowledged"]))
    figures = publish.figures(answer, span, "backend0")
    figures["µs CPU/event, all servers"] = cpu(span, "server") * 1e6 / events
    figures["µs CPU/event, busiest server"] = max(seconds for process, seconds in span.cpu_s.items() if process.startswith("server")) * 1e6 / events
    if readers:
        figures["µs CPU/event, a backend that only reads"] = span.cpu_s["backend1"] * 1e6 / events
    return figures


@row("shared_publish", "publish over a shared log (JetStream), flat out", target="reported",
     method="`backend --engine jetstream` with its defaults and one or three nats-server 2.9 (three: a stream with three replicas), all of them on one CPU, the publisher on the "
            "other: %d-byte payloads, %d events without an acknowledgement at most over %d gRPC streams, every event with an idempotency key. An acknowledgement: a quorum has "
            "it, and the backend has read it back. The CPU of each is told, so that a deployment on machines of its own can be reckoned."
            % (PAYLOAD, publish.IN_FLIGHT, publish.STREAMS))
def shared_publish(m):
    events = m.count(150_000, 2_000)
    m.subject("one", "one server", lambda: publishing(events, 1, readers=1))
    m.subject("three", "three servers", lambda: publishing(events, 3, readers=1))
    m.run()


@row("shared_paced", "the same at 5,000 events/s", target="reported", method="As above, but paced: what an acknowledgement takes when nothing waits.")
def shared_paced(m):
    rate = m.count(5_000, 500)
    m.subject("one", "one server", lambda: publishing(m.count(25_000, 500), 1, rate=rate))
    m.subject("three", "three servers", lambda: publishing(m.count(25_000, 500), 3, rate=rate))
    m.run()


def gateways(events, rate, readers):
    """The backend's CPU for `readers` subscriptions that keep up."""
    with contextlib.ExitStack() as stack:
        shared = Shared(stack, 1)
        backend = shared.backend("--canary", "1h")
        span, _ = stream.live_gateways(backend, readers, events, rate)
    return {"µs backend CPU/event": span.cpu_s["backend"] * 1e6 / events}


@row("shared_gateways", "a shared log with 1, 10 and 100 gateways", target="reported",
     method="As `stream_hundred`, over a shared log with one server, at 10,000 events/s: the backend's whole CPU, with the publishing and reading of the log.")
def shared_gateways(m):
    events, rate = m.count(50_000, 1_000), m.count(10_000, 1_000)
    for readers in (0, 1, 10, m.count(100, 20)):
        m.subject(str(readers), "%d gateways" % readers if readers != 1 else "1 gateway", lambda readers=readers: gateways(events, rate, readers))
    m.run()
    most = m.count(100, 20)
    unit = "µs backend CPU/event"
    m.reach("µs backend CPU/event and gateway", (m.of(str(most), unit) - m.of("0", unit)) / most)
