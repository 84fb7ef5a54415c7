"""How the cost of a delivery grows with connections, users and payload."""
import delivery
import edge
import support
from measure import row

SHAPES = {"galaxy": ("Galaxy Push", edge.galaxy), "floor": edge.PEERS["floor"]}


def curve(m, points, measure):
    """`measure(make, x)` of each."""
    return m.curve(points, lambda x: {label: measure(make, x) for label, make in SHAPES.values()})


@row("growth-connections", "cost per delivery against connections", method="Unicast as above; each client a user of its own.")
def connections_row(m):
    points = m.count([100, 1_000, 2_500, 5_000, 7_500, 10_000, 15_000, edge.CLIENTS_MAX - 500], [10, 50])
    deliveries = m.count(200_000, 200)
    m.plot("growth-connections", "CPU per delivery against connections", "connections", "µs CPU per delivery",
           curve(m, points, lambda make, x: delivery.unicast(make, x, max(5, deliveries // x))["cpu_us_each"]))


@row("growth-memory", "memory against connections", method="Idle WebSocket connections of one process, proportional set size above that of none.")
def memory_row(m):
    points = m.count([1_000, 2_000, 5_000, 8_000, 11_000, 14_000, edge.CLIENTS_MAX - 500], [20, 50, 100])
    series = {}
    for label, make in SHAPES.values():
        with make() as server, server.load() as load:
            load("connect", group="g0", users=points[0] // 10)
            before, connected = edge.settled_memory(server), 0
            for x in points:
                load("connect", group="g%d" % x, users=x - connected)
                connected = x
                series.setdefault(label, []).append((x, (edge.settled_memory(server) - before) / support.MIB))
    m.plot("growth-memory", "Memory against connections", "idle connections", "MiB", series, straight=True)


@row("growth-sessions", "cost per event against the sessions of its user",
     method="Fan-out as above: CPU of the server for one event, whatever number of sessions it goes to.")
def sessions_row(m):
    points = m.count([1, 10, 100, 250, 500, 1_000, 2_000], [1, 20])
    pulses = m.count(200, 3)
    m.plot("growth-sessions", "CPU per event against sessions of its user", "sessions of the user", "µs CPU per event",
           curve(m, points, lambda make, x: x * delivery.fan_out(make, x, pulses)["cpu_us_each"]), straight=True)


@row("growth-users", "cost per delivery against users, 5,000 connections",
     method="5,000 clients of so many users, each with the same number of sessions; a pulse is an event for each user.")
def users_row(m):
    total, points, pulses = m.count(5_000, 60), m.count([5, 50, 500, 2_500, 5_000], [3, 60]), m.count(40, 3)

    def measure(make, users):
        with make() as server, server.load() as load:
            load("connect", users=users, sessions=total // users)
            return load("pulses", events=users, count=pulses)["cpu_us_each"]
    m.plot("growth-users", "CPU per delivery against users, %d connections" % total, "users", "µs CPU per delivery", curve(m, points, measure), log_x=True)


@row("growth-payload", "cost per delivery against payload",
     method="Unicast as above, 1,000 clients. A payload is hashed, escaped and copied once; sent by the kernel.")
def payload_row(m):
    points = m.count([64, 256, 1_024, 4_096, 8_192, 16_384, 32_768, 65_000], [64, 2_048])
    clients, volume = m.count(1_000, 50), m.count(256 * support.MIB, support.MIB)

    def measure(make, payload):
        events = max(16, min(clients, 8 * support.MIB // payload))
        pulses = max(3, min(100, volume // (events * payload)))
        return delivery.unicast(make, clients, pulses, events=events, payload=payload)["cpu_us_each"]
    m.plot("growth-payload", "CPU per delivery against payload", "payload bytes", "µs CPU per delivery", curve(m, points, measure), straight=True)
