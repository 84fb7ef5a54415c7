"""Whether the servers of a cluster hold the same stream: each one's own copy, read while it leads."""
import hashlib, json, time

import nats

BATCH = 2000


def digest(message):
    text = repr((message.subject, sorted(message.headers.items()))).encode()
    return hashlib.sha256(text + message.payload).hexdigest()[:16]


def place(message):
    """Of a retained invalidation: its sequence in the log (docs/formats/jetstream.md)."""
    return int.from_bytes(message.payload[:8], "big")


def contents(cluster, stream, server, value=digest):
    """{sequence: value(message)} as `server` has them, which leads `stream` now."""
    name, found = "read-" + server.name, {}
    with cluster.connect(timeout=5, server=server) as client:
        state = client.stream(stream)["state"]
        consumer = {"durable_name": name, "deliver_policy": "all", "ack_policy": "none", "num_replicas": 1, "mem_storage": True}
        client.api("CONSUMER.DURABLE.CREATE.%s.%s" % (stream, name), {"stream_name": stream, "config": consumer})
        try:
            inbox = client.subscribe(client.inbox + "-read")
            while len(found) < state["messages"]:
                want = min(BATCH, state["messages"] - len(found))
                client.publish("$JS.API.CONSUMER.MSG.NEXT.%s.%s" % (stream, name), json.dumps({"batch": want}).encode(), reply=client.inbox + "-read")
                for _ in range(want):
                    message = client.next(inbox, 5)
                    sequence = int(message.reply.split(".")[5])
                    found[sequence] = value(message)
        finally:
            client.api("CONSUMER.DELETE.%s.%s" % (stream, name))
    return found


def copies(cluster, stream, value=digest, seconds=60):
    """{server: contents()}. Nobody may publish meanwhile; each server leads in turn: others step down until it does."""
    end, found = time.monotonic() + seconds, {}
    while len(found) < len(cluster.servers):
        leader = cluster.leader(stream, 30)
        try:
            if leader.name not in found:
                found[leader.name] = contents(cluster, stream, leader, value)
            elif len(cluster.servers) > 1:
                with cluster.connect(timeout=5) as client:
                    client.api("STREAM.LEADER.STEPDOWN." + stream)
        except (OSError, nats.NatsError) as error:
            if time.monotonic() > end:
                raise AssertionError("the copies of %s cannot be read: %r" % (stream, error))
        if time.monotonic() > end:
            raise AssertionError("within %d s only %s came to lead %s" % (seconds, sorted(found), stream))
    return dict(sorted(found.items()))


def differences(found):
    """Sentences, one for each server whose copy differs from the first one's."""
    (first, base), *others = found.items()
    sentences = []
    for name, copy in others:
        wrong = [s for s in sorted(base.keys() | copy.keys()) if base.get(s) != copy.get(s)]
        if wrong:
            sentences.append("%s and %s differ at %d sequences, the first %d (%s, %s)" % (first, name, len(wrong), wrong[0], base.get(wrong[0]), copy.get(wrong[0])))
    return sentences


def missing(found, wanted):
    """Sentences, one for each server whose copy lacks some of the `wanted` values."""
    sentences = []
    for name, copy in found.items():
        lacks = sorted(set(wanted) - set(copy.values()))
        if lacks:
            sentences.append("%s lacks %d of what was acknowledged, the first %s" % (name, len(lacks), lacks[0]))
    return sentences
