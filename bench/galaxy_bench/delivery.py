"""What one delivery costs the server that holds the clients."""
import edge
from measure import row

# Events under way at once: so that the server always has work, and a fan-out has something to coalesce, for all alike.
UNICAST_WINDOW, FAN_WINDOW = 4_096, 8
COST = "µs CPU/delivery"


def unicast(make, clients, seconds):
    """`clients` users with a client each."""
    with make() as server, server.load() as load:
        return _unicast(load, clients, seconds)


def fan_out(make, clients, seconds):
    """One user with `clients` sessions."""
    with make() as server, server.load() as load:
        return _fan_out(load, clients, seconds)


def _unicast(load, clients, seconds):
    load("connect", group="users", users=clients)
    return load("load", group="users", window=min(UNICAST_WINDOW, clients), seconds=seconds, warm=seconds / 4)


def _fan_out(load, clients, seconds):
    load("connect", group="sessions", users=1, sessions=clients)
    return load("load", group="sessions", window=FAN_WINDOW, seconds=seconds, warm=seconds / 4)


def figures(answer):
    return {COST: answer["cpu_us_each"], "deliveries/s": answer["per_second"], "server busy, %": 100 * answer["server_busy"],
            "bytes/delivery": answer["bytes_each"]}


def against_peers(m, measure, clients, seconds):
    m.subject("galaxy", "Galaxy Push", lambda: figures(measure(edge.galaxy, clients, seconds)))
    for name, (label, make) in edge.PEERS.items():
        m.subject(name, label, lambda make=make: figures(measure(make, clients, seconds)))
    m.run()


def peers_ratios(m):
    for name in ("nchan", "nats"):
        m.reach("CPU per delivery, %s's over ours" % m.subjects[name][0], m.ratio(name, "galaxy", COST))


SAME = ("The same load program for all on the other CPU (`edge_load`: one epoll loop, all clients), which also publishes, ours through a backend of "
        "ours beside it. 256-byte payloads, ours in signed envelopes; the bytes that a client gets are told. ")


@row("unicast", "unicast delivery, signed, sessions checked, over WebSocket",
     target="gateway CPU at most 1.3x the bare loop's per delivery (uWebSockets: 1.5x)",
     method=SAME + "10,000 clients, each a user of its own, addressed in turn, 4,096 events under way at most: flat out. CPU of the server's "
     "process only. The deliveries a second are those that the load's CPU could take, which also runs the backend.")
def unicast_row(m):
    against_peers(m, unicast, m.count(10_000, 100), m.count(4, 0.4))
    m.reach("CPU per delivery, times the bare loop's", m.ratio("galaxy", "floor", COST), at_most=1.3)
    peers_ratios(m)


@row("fanout", "fan-out of one event to 1,000 sessions of one user, signed",
     target="1 M deliveries/s, at most 1.2x the bare loop",
     method=SAME + "1,000 clients of one user, 8 events under way: what waits for a client is coalesced. The rate that one core of the server "
     "allows is its CPU per delivery turned round; the load's CPU may allow less.")
def fan_out_row(m):
    against_peers(m, fan_out, m.count(1_000, 100), m.count(4, 0.4))
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
    one, many, seconds = m.count(2_000, 50), m.count(1_000, 50), m.count(3, 0.3)
    for dialect, label in TRANSPORTS.items():
        for tls in (False, True):
            def measure(dialect=dialect, tls=tls):
                with edge.galaxy(tls=tls) as server, server.load(dialect) as load:
                    each, fan = _unicast(load, one, seconds), _fan_out(load, many, seconds)
                return {COST + ", unicast": each["cpu_us_each"], COST + ", fan-out": fan["cpu_us_each"], "bytes/delivery": each["bytes_each"]}
            m.subject(dialect + "-tls" * tls, label + ", TLS" * tls, measure)
    m.run()
    for name in list(m.subjects)[1:]:
        for unit in (COST + ", unicast", COST + ", fan-out"):
            m.reach("%s, times plain WebSocket JSON: %s" % (unit, m.subjects[name][0]), m.ratio(name, "ws", unit))
