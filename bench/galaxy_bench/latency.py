"""How long an event, a revocation and a resume take, while the gateway has other work."""
import edge
from measure import row


def latency(make, clients, rate, seconds):
    with make() as server, server.load() as load:
        load("connect", users=clients)
        got = load("load", rate=rate, seconds=seconds, warm=seconds / 4)
        return {"p50 µs": got["latency_p50_us"], "p90 µs": got["latency_p90_us"], "p99 µs": got["latency_p99_us"], "max µs": got["latency_max_us"],
                "server busy, %": 100 * got["server_busy"]}


@row("latency", "latency publish → client, 5,000/s, 10,000 clients, both hops, signed",
     target="p50 150 µs, p99 390 µs; with SQLite p99 5 ms; the best one-hop, unsigned peer measured before: 98 / 389",
     method="From the call that publishes to the client's reading, by one clock: ours goes from the publisher over gRPC to a backend, from there to the "
     "gateway, and to one of 10,000 WebSocket clients in turn; peers have one hop and no signature. Load, publisher and our backend share a CPU. "
     "The row with SQLite waits for the disk, since only what is durable is delivered.")
def latency_row(m):
    clients, rate, seconds = m.count(10_000, 100), m.count(5_000, 500), m.count(10, 0.5)
    m.subject("galaxy", "Galaxy Push, memory engine", lambda: latency(edge.galaxy, clients, rate, seconds))
    m.subject("sqlite", "Galaxy Push, SQLite", lambda: latency(lambda: edge.galaxy(sqlite=True), clients, rate, seconds))
    for name, (label, make) in edge.PEERS.items():
        m.subject(name, label, lambda make=make: latency(make, clients, rate, seconds))
    m.run()
    m.reach("p50, µs", m.of("galaxy", "p50 µs"), at_most=150)
    m.reach("p99, µs", m.of("galaxy", "p99 µs"), at_most=390)
    m.reach("p99 with SQLite, µs", m.of("sqlite", "p99 µs"), at_most=5_000)
    for name, (label, _) in edge.PEERS.items():
        m.reach("p99, %s's over ours" % label, m.ratio(name, "galaxy", "p99 µs"))


def invalidation(clients, victims, sessions, whole, seconds):
    """`victims` users with `sessions` each, revoked one after the other; others keep the gateway half busy."""
    with edge.galaxy() as server, server.load() as load:
        load("connect", group="busy", users=clients)
        full = load("load", group="busy", window=min(4_096, clients), seconds=seconds, warm=seconds / 2)
        rate = min(0.5e6 / full["cpu_us_each"], 0.7 * full["per_second"])  # half of a core, if the load's can make so many
        load("connect", group="victims", users=victims, sessions=sessions)
        got = load("invalidate", group="victims", whole=int(whole), busy="busy", rate=rate)
        return {"p50 ms": got["from_sent_p50_us"] / 1e3, "p99 ms": got["from_sent_p99_us"] / 1e3, "max ms": got["from_sent_max_us"] / 1e3,
                "p99 ms from the answer on": got["from_accepted_p99_us"] / 1e3, "server busy, %": 100 * got["server_busy"]}


@row("invalidation", "invalidation, accepted → last socket of the session closed, under half load",
     target="p99 5 ms; user with 1,000 sessions p99 20 ms",
     method="From the call of Publisher.Invalidate (its connection included) until the load has seen the last connection close, while 8,000 other "
     "clients get as many events as keep the gateway's CPU half busy, or 70 % of what the load's CPU can make. 400 sessions, then 8 users with 1,000 sessions each, one after the "
     "other, for a minute at most. \"From the answer on\" begins when the caller has its acknowledgement.")
def invalidation_row(m):
    clients, seconds = m.count(8_000, 100), m.count(1.5, 0.3)
    m.subject("session", "one session", lambda: invalidation(clients, m.count(400, 10), 1, False, seconds))
    m.subject("user", "a user with 1,000 sessions", lambda: invalidation(clients, m.count(8, 2), m.count(1_000, 20), True, seconds))
    m.run()
    m.reach("one session, p99 ms", m.of("session", "p99 ms"), at_most=5)
    m.reach("a user with 1,000 sessions, p99 ms", m.of("user", "p99 ms"), at_most=20)


def storm(clients, behind, burst):
    room = ("--ring-bytes", "4GiB")
    with edge.galaxy(gateway_options=room, backend_options=room) as server, server.load() as live, server.load() as load:
        load("publish", group="late", users=clients, count=clients * behind)
        live("connect", group="live", users=100)
        live("live", group="live", rate=1_000)
        got = load("storm", group="late", behind=behind, burst=burst)
        meanwhile = live("stop")
        return {"s until all had caught up": got["seconds"], "µs CPU/event": got["cpu_us_each"], "live p50 ms": meanwhile["latency_p50_us"] / 1e3,
                "live p99 ms": meanwhile["latency_p99_us"] / 1e3, "live max ms": meanwhile["latency_max_us"] / 1e3}


@row("storm", "resume storm: 10,000 clients at once, each 100 events behind",
     target="all caught up in 3 s, live p99 below 20 ms meanwhile",
     method="A million events are published for users who are away; then 10,000 clients connect with the cursor from before them, 1,000 handshakes under way at "
     "once, until each has its 100 events, signed anew, and `caught_up`. Meanwhile 100 others get 1,000 live events a second, in a process "
     "of their own on the load's CPU, whose turns on that CPU are in the figure.")
def storm_row(m):
    clients, behind = m.count(10_000, 50), m.count(100, 20)
    m.subject("galaxy", "Galaxy Push", lambda: storm(clients, behind, m.count(1_000, 50)))
    m.run()
    m.reach("s until all had caught up", m.of("galaxy", "s until all had caught up"), at_most=3)
    m.reach("live p99, ms", m.of("galaxy", "live p99 ms"), at_most=20)
