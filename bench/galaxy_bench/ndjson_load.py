"""Publishes NDJSON over HTTP/1.1: ndjson_load.py HOST:PORT EVENTS PAYLOAD_BYTES LINES CONNECTIONS. Prints one JSON object.

Each connection has one request of LINES events in flight. Every line of every answer must be an event that was published.
"""
import json, socket, sys, threading, time

address, events, payload, lines, connections = sys.argv[1], *map(int, sys.argv[2:])
host, port = address.rsplit(":", 1)
LINE = '{"user_id":"user-%06d","kind":"fleet.arrived","payload":{"x":"' + "x" * (payload - 8) + '"},"event_id":"%s-%09d"}\n'
took_ms, failures = [], []


def body_of(name, begin):
    return "".join([LINE % (number % 100_000, name, number) for number in range(begin, begin + lines)]).encode()


def answer(stream, waiting):
    """The body of one answer, by its length or in chunks; with what was read beyond it."""
    while b"\r\n\r\n" not in waiting:
        waiting += receive(stream)
    head, rest = waiting.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head[:200].decode() + rest[:300].decode())
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    if length is None:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += receive(stream)
        return rest, b""
    while len(rest) < length:
        rest += receive(stream)
    return rest[:length], rest[length:]


def receive(stream):
    data = stream.recv(1 << 20)
    if not data:
        raise RuntimeError("the connection was closed")
    return data


def publish(name, share):
    try:
        with socket.create_connection((host, int(port)), timeout=60) as stream:
            waiting = b""
            for begin in range(0, share, lines):
                body = body_of(name, begin)
                head = "POST /v1/events HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n" % len(body)
                sent = time.monotonic()
                stream.sendall(head.encode() + body)
                text, waiting = answer(stream, waiting)
                took_ms.append((time.monotonic() - sent) * 1e3)
                if text.count(b'"duplicate":false') != lines:
                    raise RuntimeError("not all were published: %r" % text[:300])
    except Exception as error:
        failures.append(error)


share = max(lines, events // connections // lines * lines)
threads = [threading.Thread(target=publish, args=("c%02d-%d" % (i, time.time_ns()), share)) for i in range(connections)]
begin, cpu = time.monotonic(), time.process_time()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
seconds = time.monotonic() - begin
if failures:
    sys.exit("ndjson_load: %s" % failures[0])
took_ms.sort()
print(json.dumps({"acknowledged": share * connections, "seconds": seconds, "per_second": share * connections / seconds,
                  "request_ms": {"p50": took_ms[len(took_ms) // 2], "p99": took_ms[min(len(took_ms) - 1, len(took_ms) * 99 // 100)]},
                  "cpu_seconds": time.process_time() - cpu}))
