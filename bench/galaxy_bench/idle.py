"""What a connection costs that nobody sends to."""
import edge
from measure import row

KIB = 1024


def idle(make, clients, seconds):
    with make() as server, server.load() as load:
        load("connect", group="first", users=max(1, clients // 100))  # what the first ones allocate is nobody's
        before = edge.settled_memory(server)
        load("connect", group="idle", users=clients)
        memory = edge.settled_memory(server) - before
        rest = load("idle", seconds=seconds)
        return {"KB/connection": memory / clients / KIB, "server busy, %": 100 * rest["server_busy"],
                "ns CPU/(connection s)": rest["server_cpu_ns"] / seconds / clients}


@row("idle", "idle connection (WebSocket, welcomed, signed in)",
     target="1.5 KB RSS in the gateway, no timer of its own, no idle CPU (one timer wheel); uWebSockets 1.4, Nchan 11.5",
     method="Growth of the server's proportional set size (smaps_rollup; the kernel's socket buffers are not in it) from 100 to 10,100 clients, then its CPU "
     "over some seconds in which nothing is published. \"Without heartbeats\": `--heartbeat 10m`, so that what is left is the feed's own canary every 5 s and "
     "the timer wheel; with the default of 25 s each connection gets a `position` frame within the time.")
def idle_row(m):
    clients = m.count(10_000, 200)
    quiet = lambda: edge.galaxy(gateway_options=("--heartbeat", "10m"))
    m.subject("galaxy", "Galaxy Push, without heartbeats", lambda: idle(quiet, clients, m.count(10, 0.5)))
    m.subject("heartbeat", "Galaxy Push, a heartbeat every 25 s", lambda: idle(edge.galaxy, clients, m.count(26, 0.5)))
    for name, (label, make) in edge.PEERS.items():
        m.subject(name, label, lambda make=make: idle(make, clients, m.count(10, 0.5)))
    m.run()
    m.reach("KB per connection", m.of("galaxy", "KB/connection"), at_most=1.5)
    m.reach("idle CPU, % of a core at 10,000 connections", m.of("galaxy", "server busy, %"), at_most=0.1)
    for name, (label, _) in edge.PEERS.items():
        m.reach("KB per connection, %s's over ours" % label, m.ratio(name, "galaxy", "KB/connection"))
