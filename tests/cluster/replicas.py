"""Whether the servers of a cluster hold the same stream: each one's own copy, read while it leads."""
import hashlib, json, time

import nats

BATCH = 2000


def contents(cluster, stream, server):
    """{sequence: digest of the message} as `server` has them, which leads `stream` now."""
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
                    found[sequence] = hashlib.sha256(repr((message.subject, sorted(message.headers.items()))).encode() + message.payload).hexdigest()[:16]
        finally:
            client.api("CONSUMER.DELETE.%s.%s" % (stream, name))
    return found


def copies(cluster, stream, seconds=60):
    """{server: contents()}. Nobody may publish meanwhile; each server leads in turn: others step down until it does."""
    end, found = time.monotonic() + seconds, {}
    while len(found) < len(cluster.servers):
        leader = cluster.leader(stream, 30)
        try:
            if leader.name not in found:
                found[leader.name] = contents(cluster, stream, leader)
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


def contradictions(found, wanted):
    """The same for a mirror, of which 2.9.10 does not keep three equal copies when its leader changes (docs/operations/cluster.md):
    no two copies may have different messages at a place, and each must have those of `wanted`."""
    sentences = []
    for sequence in sorted(set().union(*found.values())):
        if len({copy[sequence] for copy in found.values() if sequence in copy}) > 1:
            sentences.append("sequence %d is not the same in all copies" % sequence)
    for name, copy in found.items():
        missing = sorted(set(wanted) - copy.keys())
        if missing:
            sentences.append("%s lacks %d of what was acknowledged, the first %d" % (name, len(missing), missing[0]))
    return sentences
