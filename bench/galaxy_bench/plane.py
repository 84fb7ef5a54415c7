"""Backend and gateway together, and the way of a million events that waited (SIGSTOP, publish, SIGCONT)."""
import contextlib, signal, socket, time

import support
import harness

# With it an event of load_driver is a message of 328 bytes.
PAYLOAD = 240
MESSAGE_BYTES = PAYLOAD + 88


def publish(backend, events, cpu, payload=PAYLOAD, streams=4, **more):
    """`events` through load_driver, as fast as it goes; returns what it measured."""
    arguments = [item for name, value in more.items() for item in ("--" + name.replace("_", "-"), value)]
    return support.run_json(cpu, support.program("load_driver"), backend.listen, "--events", events, "--seconds", 600, "--streams", streams,
                            "--payload", payload, *arguments)


def ring_bytes(events, payload=PAYLOAD):
    """A ring that holds so many, with what their keys take, and a reserve: large entries leave a part of a segment empty."""
    return 64 * support.MIB + int(events * (payload + 88 + 160) * (1.3 if payload < 4096 else 2))


class SseClient:
    """A signed-in client that waits for one event. Its socket is all it has: nothing runs while it waits."""

    def __init__(self, gateway, keys, user):
        host, port = gateway.listen.rsplit(":", 1)
        self.user = user
        self.socket = socket.create_connection((host, int(port)), timeout=support.DEADLINE_S)
        self.socket.sendall(("GET /v1/events HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\nauthorization: Bearer %s\r\n\r\n"
                             % keys.token(user, user + "-session")).encode())
        self.text = b""
        self.until(b'{"welcome"')

    def until(self, what):
        end = time.monotonic() + support.DEADLINE_S
        while what not in self.text:
            if time.monotonic() > end:
                raise RuntimeError("%s waited %d s for %s" % (self.user, support.DEADLINE_S, what.decode()))
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("the gateway closed the stream of %s: %r" % (self.user, self.text[-300:]))
            self.text = self.text[-1000:] + more
            if b'{"gap"' in self.text:
                raise RuntimeError("the gateway has a gap: a ring was too small for what waited")
        self.text = b""

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def backend_and_gateway(backend_cpu, gateway_cpu, events, *gateway_arguments, payload=PAYLOAD):
    """Yields (backend, gateway, keys); the backend's ring holds `events`, the gateway has its default."""
    with support.folder() as data:
        keys = harness.Keys(data)
        with support.backend("--ring-bytes", ring_bytes(events, payload), "--payload-bytes", 1 << 20, "--dedupe-keys", max(1000, 2 * events), cpu=backend_cpu) as backend:
            with support.gateway(backend.listen, keys, data / "gateway", *gateway_arguments, cpu=gateway_cpu) as gateway:
                harness.wait_for("the gateway is ready", gateway.ready_now)
                yield backend, gateway, keys


def waiting_events(backend, gateway, keys, events, publisher_cpu, payload=PAYLOAD):
    """Stops the gateway, publishes, lets it go: the Span of both until a client has the event that was published last."""
    client = SseClient(gateway, keys, "bench-last")
    before = gateway.metric("galaxy_push_feed_entries_total") or 0
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        publish(backend, events, publisher_cpu, payload)
        harness.publish(backend.listen, user_id=client.user, kind="bench.last")
        span = support.Span(backend=backend.process.pid, gateway=gateway.process.pid)
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    try:
        client.until(b'{"event"')
    except (OSError, RuntimeError) as error:
        raise RuntimeError("the last event did not come: %s; the gateway says: %s" % (error, ends(gateway)))
    span.stop()
    client.close()
    came = gateway.metric("galaxy_push_feed_entries_total") - before
    if came < events:
        raise RuntimeError("of %d events %d came" % (events, came))
    return span


FILL = 4  # twice a quarter of a row's events are more than a gateway's ring holds


def ring_filled(backend, gateway, keys, events, publisher_cpu):
    """The Span of the first `events`, which fill new memory; then as many again, so that the gateway's ring is full of them."""
    span = waiting_events(backend, gateway, keys, events, publisher_cpu)
    waiting_events(backend, gateway, keys, events, publisher_cpu)
    return span


def ends(gateway):
    """What a gateway counted of connections and feeds that ended."""
    lines = harness.get(gateway.admin, "/metrics").text.splitlines()
    return ", ".join(line for line in lines if not line.startswith("#") and not line.endswith(" 0") and any(
        word in line for word in ("closed", "reset", "gap", "refused", "ends_total", "dropped")))
