"""Python's grpcio, a gRPC client that is not ours, against the backend: semantics.md sections 4-6."""
import pathlib, queue, re, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness
import grpc
from google.protobuf import descriptor_pb2

push = harness.messages("galaxy/backend/push/v1/push")
CURSOR = re.compile(r"^[0-9a-f]{16}-[0-9a-f]{12}$")


class Subscription:
    """A SubscribePush stream, read by a thread of its own. Canaries are left out of `next()`."""

    def __init__(self, channel, id, cursor="", metadata=(), timeout=None):
        method = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush",
                                      push.GatewaySubscribeRequest.SerializeToString, push.PushEvent.FromString)
        self.call = method(push.GatewaySubscribeRequest(gateway_client_id=id, cursor=cursor), metadata=metadata, timeout=timeout)
        self.entries = queue.Queue()
        self.error = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for entry in self.call:
                self.entries.put(entry)
        except grpc.RpcError as error:
            self.error = error
        self.entries.put(None)

    def metadata(self):
        return {key: value for key, value in self.call.initial_metadata()}

    def next(self, canaries=False):
        while True:
            entry = self.entries.get(timeout=harness.DEADLINE_S)
            if entry is None:
                raise AssertionError("the stream ended: %s" % self.error)
            if canaries or entry.client_event.user_id != "galaxy:canary":
                return entry

    def end(self):
        """Waits for the end; returns (status code, message, trailing metadata, entries still unread)."""
        rest = []
        while (entry := self.entries.get(timeout=harness.DEADLINE_S)) is not None:
            rest.append(entry)
        return (self.call.code(), self.call.details(), dict(self.call.trailing_metadata()), rest)


def channel(address, *options):
    # Channels with the same arguments share a connection in grpc; a test wants one of its own.
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1), *options])


class GrpcioSubscribe(unittest.TestCase):
    def setUp(self):
        self.backend = self.enterContext(harness.backend())
        self.channel = channel(self.backend.listen)
        self.addCleanup(self.channel.close)

    def subscribe(self, id="gw", cursor="", **more):
        s = Subscription(self.channel, id, cursor, **more)
        self.addCleanup(s.call.cancel)
        return s

    def publish(self, **event):
        return harness.publish(self.backend.listen, user_id="u-1", **event)

    def test_metadata_of_a_fresh_subscription_names_every_key_of_4_1(self):
        m = self.subscribe().metadata()
        self.assertEqual(m["push-resume"], "fresh")
        self.assertNotIn("push-resume-reason", m)
        self.assertRegex(m["push-start-cursor"], CURSOR)
        self.assertEqual(m["push-start-cursor"], m["push-head-cursor"])
        self.assertEqual(m["push-invalidations"], "complete")
        self.assertGreater(int(m["push-generation"]), 0)
        self.assertEqual(m["push-canary-ms"], "5000")

    def test_events_arrive_in_order_with_their_bytes_and_rising_cursors_1_1_1_3(self):
        s = self.subscribe()
        s.metadata()
        sent = [self.publish(event_id="e-%d" % i, payload={"n": i}) for i in range(50)]
        invalidated = harness.invalidate(self.backend.listen, user_id="u-2", device_session_id="s-2", reason="stolen")
        got = [s.next() for _ in range(51)]
        self.assertEqual([e.cursor for e in got], sent + [invalidated])
        self.assertEqual(sorted(e.cursor for e in got), [e.cursor for e in got])
        self.assertEqual(got[7].client_event.payload, b'{"n": 7}')
        self.assertEqual(got[50].session_invalidation.reason, "stolen")

    def test_resume_is_lossless_and_starts_at_the_next_entry_1_4_4_2(self):
        first = [self.publish(payload={"n": i}) for i in range(20)]
        s = self.subscribe(cursor=first[4])
        self.assertEqual(s.metadata()["push-resume"], "resumed")
        self.assertEqual(s.metadata()["push-start-cursor"], first[4])
        self.assertEqual([s.next().cursor for _ in range(15)], first[5:])

    def test_an_unusable_cursor_is_a_gap_with_its_reason_4_1_1_5(self):
        head = self.publish()
        sequence, ms = head.split("-")
        cases = {
            "malformed": "not a cursor",
            "future": "%016x-%s" % (int(sequence, 16) + 1000, ms),
            "unknown": "%s-%012x" % (sequence, int(ms, 16) + 1),
        }
        for reason, cursor in cases.items():
            with self.subTest(reason):
                m = self.subscribe(cursor=cursor).metadata()
                self.assertEqual((m["push-resume"], m["push-resume-reason"]), ("gap", reason))
                self.assertEqual(m["push-start-cursor"], m["push-head-cursor"])
                self.assertEqual(m["push-invalidations"], "unknown")

    def test_a_gap_begins_with_the_retained_invalidations_4_3(self):
        one = harness.invalidate(self.backend.listen, user_id="u-1", device_session_id="s-1", reason="a")
        two = harness.invalidate(self.backend.listen, user_id="u-2", reason="b")
        s = self.subscribe(cursor="0000000000000001-000000000001")
        m = s.metadata()
        self.assertEqual(m["push-resume"], "gap")
        got = [s.next(), s.next()]
        self.assertEqual([e.cursor for e in got], [one, two])
        self.assertTrue(all(e.WhichOneof("kind") == "session_invalidation" for e in got))
        after = self.publish()
        self.assertEqual(s.next().cursor, after)

    def test_all_invalidations_can_be_asked_for_4_3(self):
        one = harness.invalidate(self.backend.listen, user_id="u-1", device_session_id="s-1", reason="old")
        head = self.publish()
        s = self.subscribe(cursor=head, metadata=(("push-invalidations", "all"),))
        self.assertEqual(s.metadata()["push-resume"], "resumed")
        self.assertEqual(s.next().cursor, one)

    def test_push_since_moves_the_start_back_4_10(self):
        before = [self.publish(payload={"n": i}) for i in range(5)]
        s = self.subscribe(metadata=(("push-since", "0"),))
        self.assertEqual([s.next().cursor for _ in range(5)], before)

    def test_a_newer_stream_silences_the_older_5_1_5_2(self):
        old = self.subscribe("same")
        first = int(old.metadata()["push-generation"])
        other = channel(self.backend.listen)
        self.addCleanup(other.close)
        new = Subscription(other, "same")
        self.addCleanup(new.call.cancel)
        self.assertGreater(int(new.metadata()["push-generation"]), first)
        cursor = self.publish()
        code, message, trailers, rest = old.end()
        self.assertEqual((code, message), (grpc.StatusCode.ABORTED, "superseded"))
        self.assertEqual(trailers["push-close-reason"], "superseded")
        self.assertRegex(trailers["push-head-cursor"], CURSOR)
        self.assertNotIn(cursor, [e.cursor for e in rest])
        self.assertEqual(new.next().cursor, cursor)

    def test_canaries_pass_the_barrier_at_once_4_9(self):
        s = self.subscribe()
        barrier = s.metadata()["push-head-cursor"]
        first = s.next(canaries=True)
        self.assertEqual((first.client_event.user_id, first.client_event.kind), ("galaxy:canary", "galaxy.canary"))
        self.assertGreater(first.cursor, barrier)

    def test_bad_requests_are_refused_4_5(self):
        for id, cursor, field in (("", "", "gateway_client_id"), ("x" * 257, "", "gateway_client_id"), ("a\nb", "", "gateway_client_id"), ("gw", "c" * 129, "cursor")):
            with self.subTest(field=field, id=id[:5]):
                code, message, _, rest = self.subscribe(id, cursor).end()
                self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT)
                self.assertIn(field, message)
                self.assertEqual(rest, [])

    def test_malformed_protobuf_is_refused_and_the_connection_lives(self):
        raw = self.channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush", lambda b: b, push.PushEvent.FromString)
        with self.assertRaises(grpc.RpcError) as caught:
            list(raw(b"\x0a\xff\xff\xff\xff\xff"))
        self.assertIn(caught.exception.code(), (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL))
        self.assertEqual(self.subscribe().metadata()["push-resume"], "fresh")

    def test_unknown_methods_are_unimplemented(self):
        for path in ("/galaxy.backend.push.v1.Push/Nothing", "/no.such.Service/Method"):
            with self.assertRaises(grpc.RpcError) as caught:
                self.channel.unary_unary(path, lambda b: b, lambda b: b)(b"")
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_compressed_request_is_unimplemented_and_names_what_is_accepted(self):
        method = self.channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush",
                                           push.GatewaySubscribeRequest.SerializeToString, push.PushEvent.FromString)
        call = method(push.GatewaySubscribeRequest(gateway_client_id="z" * 200), compression=grpc.Compression.Gzip)
        with self.assertRaises(grpc.RpcError) as caught:
            next(call)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_health_is_serving_and_the_services_are_discovered_by_reflection(self):
        health, reflection = harness.messages("grpc/health/v1/health", "grpc/reflection/v1/reflection")
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest.SerializeToString, health.HealthCheckResponse.FromString)
        self.assertEqual(check(health.HealthCheckRequest()).status, health.HealthCheckResponse.SERVING)
        info = self.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                          reflection.ServerReflectionRequest.SerializeToString, reflection.ServerReflectionResponse.FromString)
        asked = [reflection.ServerReflectionRequest(list_services="*"), reflection.ServerReflectionRequest(file_containing_symbol="galaxy.backend.push.v1.Push")]
        listed, file = info(iter(asked))
        names = {s.name for s in listed.list_services_response.service}
        self.assertLessEqual({"galaxy.backend.push.v1.Push", "galaxy.backend.publish.v1.Publisher", "grpc.health.v1.Health"}, names)
        # What the server describes is the contract: its own descriptor builds the same message.
        described = {descriptor_pb2.FileDescriptorProto.FromString(f).name for f in file.file_descriptor_response.file_descriptor_proto}
        self.assertIn("galaxy/backend/push/v1/push.proto", described)

    def test_a_deadline_ends_the_stream(self):
        code, _, _, _ = self.subscribe("timed", timeout=0.3).end()
        self.assertEqual(code, grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_cancelled_stream_is_forgotten(self):
        s = self.subscribe("gone")
        s.metadata()
        listed = lambda: [x["gateway_client_id"] for x in harness.get(self.backend.admin, "/v1/subscriptions").json["subscriptions"]]
        harness.wait_for("it is listed", lambda: "gone" in listed())
        s.call.cancel()
        harness.wait_for("it is gone", lambda: "gone" not in listed())

    def test_many_streams_share_one_connection(self):
        streams = [self.subscribe("gw-%d" % i) for i in range(20)]
        for s in streams:
            s.metadata()
        cursor = self.publish()
        self.assertEqual({s.next().cursor for s in streams}, {cursor})

    def test_a_small_window_loses_nothing(self):
        small = channel(self.backend.listen, ("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0), ("grpc.http2.max_frame_size", 16384))
        self.addCleanup(small.close)
        s = Subscription(small, "small")
        self.addCleanup(s.call.cancel)
        s.metadata()
        body = "\n".join('{"user_id":"u-1","kind":"k","payload":{"n":%d,"x":"%s"}}' % (i, "y" * 500) for i in range(4000))
        answer = harness.post(self.backend.listen, "/v1/events", body, "application/x-ndjson")
        sent = [line["cursor"] for line in answer.lines]
        self.assertEqual([s.next().cursor for _ in range(4000)], sent)

    def test_a_drain_ends_streams_after_the_last_entry_with_its_reason_6_5(self):
        s = self.subscribe()
        s.metadata()
        sent = [self.publish(payload={"n": i}) for i in range(200)]
        self.assertEqual(self.backend.terminate(), 0)
        code, message, trailers, rest = s.end()
        self.assertEqual((code, trailers["push-close-reason"]), (grpc.StatusCode.UNAVAILABLE, "drain"))
        got = [e.cursor for e in rest if e.client_event.user_id != "galaxy:canary"]
        self.assertEqual(got, sent)
        self.assertGreaterEqual(trailers["push-head-cursor"], sent[-1])

    def test_a_reader_that_stops_does_not_slow_publishers_2_4(self):
        stuck = channel(self.backend.listen, ("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0))
        self.addCleanup(stuck.close)
        method = stuck.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush",
                                    push.GatewaySubscribeRequest.SerializeToString, push.PushEvent.FromString)
        call = method(push.GatewaySubscribeRequest(gateway_client_id="stuck"))
        self.addCleanup(call.cancel)
        call.initial_metadata()
        body = "\n".join('{"user_id":"u-1","kind":"k","payload":{"n":%d,"x":"%s"}}' % (i, "y" * 1000) for i in range(5000))
        started = time.monotonic()
        for _ in range(4):
            answer = harness.post(self.backend.listen, "/v1/events", body, "application/x-ndjson")
            self.assertTrue(all("cursor" in line for line in answer.lines))
        self.assertLess(time.monotonic() - started, 10)


if __name__ == "__main__":
    unittest.main()
