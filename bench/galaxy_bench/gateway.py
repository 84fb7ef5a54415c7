"""What a gateway does with events on one core: those of users who are not here, and signing those of users who are."""
import contextlib, json, re

import harness
import plane
import support
from measure import row


def absent_users(events):
    with plane.backend_and_gateway(support.LOAD, support.SERVER, events) as (backend, gateway, keys):
        filling = plane.ring_filled(backend, gateway, keys, events // plane.FILL, support.SERVER)
        span = plane.waiting_events(backend, gateway, keys, events, support.SERVER)
    return {"events/s": events / span.seconds, "events/gateway CPU-second": events / span.cpu_s["gateway"],
            "µs gateway CPU/event": span.cpu_s["gateway"] * 1e6 / events, "µs backend CPU/event": span.cpu_s["backend"] * 1e6 / events,
            "µs gateway CPU/event while its ring grows": filling.cpu_s["gateway"] * 1e6 / (events // plane.FILL)}


@row("gateway_absent", "gateway: events for users who are not here", target="3 M events/s on one core",
     method="The gateway, alone on its CPU, was stopped while events of %d bytes for users who are not connected were published, then let go; the time ends when "
            "a client has the last event. All that a gateway does with an event that nobody waits for: receive, split, decode, check the order, keep it for clients "
            "that resume, look for its user, persist the cursor. The gateway's ring (default size) is full, as in one that has "
            "run for a while; what an event costs while the ring still gets its memory from the system is told, too." % plane.MESSAGE_BYTES)
def gateway_absent(m):
    events = m.count(2_000_000, 20_000)
    m.subject("galaxy", "Galaxy Push", lambda: absent_users(events))
    m.run()
    m.reach("events/s", m.of("galaxy", "events/s"), at_least=3e6)
    m.reach("events/gateway CPU-second", m.of("galaxy", "events/gateway CPU-second"), at_least=3e6)
    m.reach("events/gateway CPU-second while its ring grows", 1e6 / m.of("galaxy", "µs gateway CPU/event while its ring grows"), at_least=3e6)


# figure: the benchmark of envelope_bench whose items a second it is
SIGNING = {"signed/s, batch 64": "SignBatch/64", "signed and encoded/s, JSON, batch 64": "SignAndEncodeJson/64",
           "signed and encoded/s, protobuf, batch 64": "SignAndEncodeProto/64", "signed/s, batch 256": "SignBatch/256", "signed/s, batch 1": "SignBatch/1"}


def signing(seconds):
    pattern = "^(%s)$" % "|".join(re.escape(name) for name in SIGNING.values())
    text = support.run(support.SERVER, support.program("envelope_bench", "libbenchmark-dev"), "--benchmark_format=json", "--benchmark_filter=" + pattern,
                       "--benchmark_min_time=%s" % seconds)
    rates = {found["name"]: found["items_per_second"] for found in json.loads(text)["benchmarks"]}
    return {figure: rates[name] for figure, name in SIGNING.items()}


@row("signing", "signing", target="1 M signed envelopes/s on one core at batch 64",
     method="`envelope_bench` on the server's CPU: salts, leaf hashes, Merkle tree and one Ed25519 signature a batch, of an event with 170 bytes of payload; then with its "
            "encoding as a frame. By CPU time.")
def signing_row(m):
    m.subject("galaxy", "Galaxy Push", lambda: signing(m.count(1, 0.02)))
    m.run()
    m.reach("signed envelopes/s at batch 64", m.of("galaxy", "signed/s, batch 64"), at_least=1e6)
    m.reach("signed and encoded as JSON frames/s at batch 64", m.of("galaxy", "signed and encoded/s, JSON, batch 64"))


@contextlib.contextmanager
def program_is(name):
    """Starts another build of ours in place of galaxy-push."""
    before, harness.BINARY = harness.BINARY, support.program(name)
    try:
        yield
    finally:
        harness.BINARY = before


def unicast(program, clients, pulses):
    import delivery, edge  # here: an import at the top would register delivery.py's rows before ours
    with program_is(program):
        return delivery.figures(delivery.unicast(edge.galaxy, clients, pulses))


@row("signed_delivery", "signed delivery against unsigned", target="signed delivery at least 0.9x of unsigned",
     method="`unicast` below with the program as it is shipped, and with one that differs in its signer alone (bench/unsigned_signer.cc, linked in place of the "
            "real one; there is no switch): no salt, no hash, no tree, no signature, and a proof of zeros without a path in the frame. Deliveries per CPU-second of the "
            "gateway are compared.")
def signed_delivery(m):
    clients, pulses = m.count(10_000, 100), m.count(40, 3)
    m.subject("galaxy", "Galaxy Push", lambda: unicast("galaxy-push", clients, pulses))
    m.subject("unsigned", "the same, unsigned", lambda: unicast("galaxy-push-unsigned", clients, pulses))
    m.run()
    m.reach("deliveries per gateway CPU-second, times unsigned", m.ratio("unsigned", "galaxy", "µs CPU/delivery"), at_least=0.9)
