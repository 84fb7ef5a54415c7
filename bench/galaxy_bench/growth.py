"""How the contract's side grows: cost against gateways, payload and ring size."""
import plane
import stream
import support
from measure import row


@row("growth_gateways", "growth: gateways on one backend", target="a straight line; memory as for one",
     method="As `stream_hundred`, with a backend of its own for each point: 30,000 events/s of %d bytes, read live." % plane.MESSAGE_BYTES)
def growth_gateways(m):
    events, counts = m.count(60_000, 1_000), m.count((1, 2, 5, 10, 20, 50, 100), (1, 3))
    memory = {}

    def measure(readers):
        cpu, peak, _ = stream.growth_of_gateways(events, 30_000, (readers,))[readers]
        memory.setdefault(readers, []).append(peak)
        return {"backend": cpu * 1e6 / events}
    series = m.curve(counts, measure)
    m.plot("contract-gateways-cpu", "Backend CPU per event against gateways", "gateways", "µs CPU/event, publish and push", series, straight=True)
    peaks = [(x, support.median(values)) for x, values in memory.items()]
    m.plot("contract-gateways-memory", "Backend memory against gateways", "gateways", "MiB, peak of RSS", {"backend": peaks})
    m.reach("memory with the most gateways, times that with one", peaks[-1][1] / peaks[0][1], at_most=1.1)


def of_payload(payload, bytes_max):
    events = max(500, min(200_000, bytes_max // (payload + 88)))
    with plane.backend_and_gateway(support.LOAD, support.SERVER, events, payload=payload) as (backend, its_gateway, keys):
        with_publish = support.Span(backend=backend.process.pid)
        span = plane.waiting_events(backend, its_gateway, keys, events, support.SERVER, payload)
        with_publish.stop()
    return {"backend, publish": (with_publish.cpu_s["backend"] - span.cpu_s["backend"]) * 1e6 / events,
            "backend, push to one gateway": span.cpu_s["backend"] * 1e6 / events,
            "gateway, nobody here": span.cpu_s["gateway"] * 1e6 / events}


@row("growth_payload", "growth: payload on the contract stream", target="a straight line from some size on",
     method="The gateway is stopped while the events are published (memory engine), then let go, as in `gateway_absent`.")
def growth_payload(m):
    sizes = m.count((64, 256, 1024, 4096, 16_384, 65_536), (64, 1024, 65_536))
    series = m.curve(sizes, lambda payload: of_payload(payload, m.count(256, 4) * support.MIB))
    m.plot("contract-payload", "CPU per event against payload", "payload, bytes", "µs CPU/event", series, straight=True)
    m.plot("contract-payload-log", "The same on logarithmic axes", "payload, bytes", "µs CPU/event", series, log_x=True, log_y=True)


def of_ring(mib, events):
    """A full ring of that size: what one more event costs to publish, and one to read from its start."""
    fill = int(mib * support.MIB / (plane.MESSAGE_BYTES + 40) * 1.05)
    with support.backend("--ring-bytes", mib * support.MIB, "--canary", "1h") as backend:
        plane.publish(backend, fill, support.LOAD)
        full = backend.metric("galaxy_push_ring_evicted_by_cap_total")
        if not full:
            raise RuntimeError("a ring of %d MiB is not full after %d events" % (mib, fill))
        span = support.Span(backend=backend.process.pid)
        plane.publish(backend, events, support.LOAD)
        span.stop()
        count = min(events, 1_000 * mib)  # less than the ring holds
        read = support.Span(backend=backend.process.pid)
        support.run_json(support.LOAD, support.program("entry_reader"), backend.listen, "--entries", count)
        read.stop()
        memory = support.peak_rss_bytes(backend.process.pid) / support.MIB
    return {"publish": span.cpu_s["backend"] * 1e6 / events, "read from the start": read.cpu_s["backend"] * 1e6 / count, "memory": memory}


@row("growth_ring", "growth: ring size", target="the cost of an event does not grow with the ring; memory in a straight line",
     method="Memory engine, the ring filled until entries left it; then events of %d bytes are published and a reader resumes at the ring's start." % plane.MESSAGE_BYTES)
def growth_ring(m):
    sizes, events = m.count((16, 64, 256, 512, 1024), (2, 4)), m.count(200_000, 5_000)
    series = m.curve(sizes, lambda mib: of_ring(mib, events))
    memory = {"backend": series.pop("memory")}
    m.plot("contract-ring-cpu", "Backend CPU per event against the size of a full ring", "ring, MiB", "µs CPU/event", series, log_x=True)
    m.plot("contract-ring-memory", "Backend memory against the size of a full ring", "ring, MiB", "MiB, peak of RSS", memory, straight=True)
    m.reach("publish with the largest ring, times that with the smallest", series["publish"][-1][1] / series["publish"][0][1], at_most=1.5)
