"""What one delivery costs the server that holds the clients."""
import edge
from measure import row

# Events of one pulse to a user with many sessions: as many as may be coalesced for a client, for all servers alike.
FAN_EVENTS = 8
COST = "µs CPU/delivery"


def unicast(make, clients, pulses, **words):
    """`clients` users with a client each; a pulse is an event for each of them."""
    with make() as server, server.load() as load:
        return _unicast(load, clients, pulses, **words)


def fan_out(make, clients, pulses, **words):
    """One user with `clients` sessions."""
    with make() as server, server.load() as load:
        return _fan_out(load, clients, pulses, **words)


def _unicast(load, clients, pulses, **words):
    load("connect", group="users", users=clients)
    return load("pulses", group="users", **({"events": clients, "count": pulses} | words))


def _fan_out(load, clients, pulses, **words):
    load("connect", group="sessions", users=1, sessions=clients)
    return load("pulses", group="sessions", **({"events": FAN_EVENTS, "count": pulses} | words))


def figures(answer):
    return {COST: answer["cpu_us_each"], "deliveries/s": answer["per_second"], "server busy, %": 100 * answer["server_busy"],
            "bytes/delivery": answer["bytes_each"]}


FRAME_HEAD_BYTES = 4  # of a WebSocket frame of 126 to 65,535 bytes


def against_peers(m, measure, clients, pulses):
    ours = {}

    def galaxy():
        ours.update(figures(measure(edge.galaxy, clients, pulses)))
        return dict(ours)

    def floor_of_our_size():
        return figures(measure(edge.floor, clients, pulses, payload=round(ours["bytes/delivery"]) - FRAME_HEAD_BYTES))
    m.subject("galaxy", "Galaxy Push", galaxy)
    for name, (label, make) in edge.PEERS.items():
        m.subject(name, label, lambda make=make: figures(measure(make, clients, pulses)))
    m.subject("floor bytes", "bare loop, with frames as large as ours", floor_of_our_size)
    m.run()
    m.reach("CPU per delivery, times that of the bare loop with frames as large as ours", m.ratio("galaxy", "floor bytes", COST))


def peers_ratios(m):
    for name in ("nchan", "nats"):
        m.reach("CPU per delivery, %s's over ours" % m.subjects[name][0], m.ratio(name, "galaxy", COST))


SAME = ("The same load program for all on the other CPU (`edge_load`: one epoll loop, all clients), which also publishes, ours through a backend of "
        "ours beside it. 256-byte payloads, ours in signed envelopes; the bytes that a client gets are told. So that the server is flat out "
        "whatever the load's CPU can do, it is stopped (SIGSTOP) while the events of a pulse are published, and its time and CPU count from SIGCONT until "
        "the last is read. Each event must arrive exactly once. ")


@row("unicast", "unicast delivery, signed, sessions checked, over WebSocket",
     target="gateway CPU at most 1.3x the bare loop's per delivery (uWebSockets: 1.5x)",
     method=SAME + "10,000 clients, each a user of its own; 40 pulses of one event for each, so that nothing can be coalesced.")
def unicast_row(m):
    against_peers(m, unicast, m.count(10_000, 100), m.count(40, 3))
    m.reach("CPU per delivery, times the bare loop's", m.ratio("galaxy", "floor", COST), at_most=1.3)
    peers_ratios(m)


@row("fanout", "fan-out of one event to 1,000 sessions of one user, signed",
     target="1 M deliveries/s, at most 1.2x the bare loop",
     method=SAME + "1,000 clients of one user; 200 pulses of 8 events, which may be coalesced for each client. The rate that one core of the server "
     "allows is its CPU per delivery turned round; the measured one may be what the load's CPU takes.")
def fan_out_row(m):
    against_peers(m, fan_out, m.count(1_000, 100), m.count(200, 3))
    cost = m.of("galaxy", COST)
    m.reach("deliveries/s that one core allows", 1e6 / cost, at_least=1e6)
    m.reach("deliveries/s that were measured", m.of("galaxy", "deliveries/s"), at_least=1e6)
    m.reach("CPU per delivery, times the bare loop's", m.ratio("galaxy", "floor", COST), at_most=1.2)
    peers_ratios(m)


TRANSPORTS = {"ws": "WebSocket, JSON", "pb": "WebSocket, protobuf", "sse": "SSE over HTTP/1.1", "grpc": "gRPC"}


@row("transports", "the same over SSE, gRPC, and with TLS", target="reported, with the reason for each difference",
     method="As above, 2,000 clients unicast and 1,000 sessions of one user, over each form of the edge, plain and with TLS 1.3 "
     "(AES-256-GCM of OpenSSL, ECDSA P-256).")
def transports_row(m):
    one, many = m.count(2_000, 50), m.count(1_000, 50)
    for dialect, label in TRANSPORTS.items():
        for tls in (False, True):
            def measure(dialect=dialect, tls=tls):
                with edge.galaxy(tls=tls) as server, server.load(dialect) as load:
                    each, fan = _unicast(load, one, m.count(100, 3)), _fan_out(load, many, m.count(200, 3))
                return {COST + ", unicast": each["cpu_us_each"], COST + ", fan-out": fan["cpu_us_each"], "bytes/delivery": each["bytes_each"]}
            m.subject(dialect + "-tls" * tls, label + ", TLS" * tls, measure)
    m.run()
    for name in list(m.subjects)[1:]:
        for unit in (COST + ", unicast", COST + ", fan-out"):
            m.reach("%s, times plain WebSocket JSON: %s" % (unit, m.subjects[name][0]), m.ratio(name, "ws", unit))
