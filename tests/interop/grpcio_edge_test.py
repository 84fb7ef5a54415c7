"""Python's grpcio, a gRPC client that is not ours, as a client of the gateway: edge-protocol.md, semantics.md 7 and 8."""
import base64, json, pathlib, queue, subprocess, sys, threading, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(ROOT / "tests" / "conformance" / "envelope"))
import grpc
import harness
import reference

edge = harness.messages("galaxy/gateway/v1/edge")
health, reflection = harness.messages("grpc/health/v1/health", "grpc/reflection/v1/reflection")
SUBSCRIBE = "/galaxy.gateway.v1.Edge/Subscribe"


def channel(address, *options, credentials=None):
    options = [("grpc.use_local_subchannel_pool", 1), *options]
    return grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)


def envelope(event):
    """A SignedEvent as the object that reference.py verifies: bytes become base64."""
    fields = {name: getattr(event, name) for name in reference.FIELDS + ["issuer"]}
    p = event.proof
    proof = {"kid": p.kid, "salt": reference.b64u(p.salt), "signed_at_ms": p.signed_at_ms, "size": p.size, "index": p.index,
             "path": reference.b64u(p.path), "sig": reference.b64u(p.sig)}
    return fields | {"payload_b64": base64.b64encode(event.payload).decode(), "proof": proof}


class Call:
    """A Subscribe call; a thread reads it unless `read` is False."""

    def __init__(self, channel, token, cursor="", read=True, **more):
        method = channel.unary_stream(SUBSCRIBE, edge.SubscribeRequest.SerializeToString, edge.Frame.FromString)
        metadata = (("authorization", "Bearer " + token),) if token is not None else ()
        self.call = method(edge.SubscribeRequest(cursor=cursor), metadata=metadata, **more)
        self.frames = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        if read:
            self.thread.start()

    def _read(self):
        try:
            for frame in self.call:
                self.frames.put(frame)
        except grpc.RpcError:
            pass
        self.frames.put(None)

    def next(self, name):
        """The next frame but for heartbeats, which come when they are due."""
        frame = self.frames.get(timeout=harness.DEADLINE_S)
        while frame is not None and frame.WhichOneof("frame") == "position" != name:
            frame = self.frames.get(timeout=harness.DEADLINE_S)
        if frame is None:
            raise AssertionError("the call ended: %s %s" % (self.call.code(), self.call.details()))
        if frame.WhichOneof("frame") != name:
            raise AssertionError("%s came instead of %s" % (frame, name))
        return getattr(frame, name)

    def end(self):
        """Waits for the end; the status, its message, its metadata and the frames that were left."""
        rest = []
        while (frame := self.frames.get(timeout=harness.DEADLINE_S)) is not None:
            rest.append(frame)
        return self.call.code(), self.call.details(), dict(self.call.trailing_metadata()), rest


class GrpcioEdge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys, cls.folder / "gw"))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)
        cls.channel = cls.enterClassContext(channel(cls.gateway.listen))
        cls.jwks = harness.get(cls.gateway.listen, "/.well-known/jwks.json").json

    def setUp(self):
        self.user = self.id().rsplit(".", 1)[1]

    def subscribe(self, session="s-1", cursor="", token=None, on=None, **more):
        call = Call(on or self.channel, token or self.keys.token(self.user, session), cursor, **more)
        self.addCleanup(call.call.cancel)
        return call

    def publish(self, **event):
        return harness.publish(self.backend.listen, user_id=self.user, **event)

    def test_welcome_says_what_the_token_says(self):
        welcome = self.subscribe().next("welcome")
        self.assertEqual((welcome.user, welcome.session, welcome.resume, welcome.heartbeat_ms), (self.user, "s-1", "fresh", 25000))

    def test_events_verify_with_the_reference_implementation(self):
        call = self.subscribe()
        call.next("welcome")
        sent = [self.publish(payload={"n": i, "text": "Зоря 🚀"}, event_id="e-%d" % i) for i in range(20)]
        for i, cursor in enumerate(sent):
            event = call.next("event")
            self.assertEqual((event.cursor, event.event_id), (cursor, "e-%d" % i))
            payload = reference.verify(envelope(event), self.jwks, "galaxy")
            self.assertEqual(json.loads(payload), {"n": i, "text": "Зоря 🚀"})
            for member in ("payload_b64", "cursor"):
                with self.assertRaises(ValueError):
                    reference.verify(envelope(event) | {member: "AAAA"}, self.jwks, "galaxy")

    def test_a_resumed_call_gets_what_it_missed_then_caught_up_7_4(self):
        before = self.subscribe("s-2")
        before.next("welcome")
        sent = [self.publish(payload={"n": i}) for i in range(6)]
        self.assertEqual([before.next("event").cursor for _ in range(6)], sent)
        call = self.subscribe(cursor=sent[1])
        self.assertEqual(call.next("welcome").resume, "resumed")
        self.assertEqual([call.next("event").cursor for _ in range(4)], sent[2:])
        self.assertGreaterEqual(call.next("caught_up").cursor, sent[-1])
        live = self.publish()
        self.assertEqual(call.next("event").cursor, live)

    def test_a_cursor_that_is_gone_is_a_gap_with_its_reason_7_4(self):
        welcome = self.subscribe(cursor="0000000000000001-000000000001").next("welcome")
        self.assertEqual((welcome.resume, welcome.reason), ("gap", "evicted"))

    def test_a_revoked_session_is_unauthenticated_and_stays_out_8_1(self):
        call, other = self.subscribe(), self.subscribe("s-2")
        call.next("welcome")
        other.next("welcome")
        harness.invalidate(self.backend.listen, user_id=self.user, device_session_id="s-1", reason="lost phone")
        bye = call.next("bye")
        self.assertEqual((bye.code, bye.verdict, bye.reason), (4503, "never", "lost phone"))
        code, message, metadata, rest = call.end()
        self.assertEqual((code, message, rest), (grpc.StatusCode.UNAUTHENTICATED, "lost phone", []))
        self.assertEqual((metadata["push-code"], metadata["push-verdict"]), ("4503", "never"))
        self.assertNotIn("push-retry-after-ms", metadata)
        again = self.subscribe()
        code, message, metadata, rest = again.end()
        self.assertEqual((code, message, rest), (grpc.StatusCode.UNAUTHENTICATED, "lost phone", []))
        self.assertEqual((metadata["push-code"], metadata["push-verdict"]), ("4503", "never"))
        self.publish()
        other.next("event")

    def test_one_who_reads_nothing_learns_of_its_revocation_without_the_rest_8_2(self):
        small = self.enterContext(channel(self.gateway.listen, ("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)))
        call = self.subscribe(on=small, read=False)
        harness.wait_for("it is admitted", lambda: self.sessions())
        for _ in range(12):
            self.publish(payload={"x": "y" * 60000})
        harness.wait_for("frames are stuck", lambda: self.sessions() and self.sessions()[0]["queue_bytes"] > 100000)
        harness.invalidate(self.backend.listen, user_id=self.user, device_session_id="s-1", reason="stolen")
        harness.wait_for("it is gone", lambda: not self.sessions())
        call.thread.start()
        code, _, metadata, rest = call.end()
        self.assertEqual((code, metadata["push-code"]), (grpc.StatusCode.UNAUTHENTICATED, "4503"))
        self.assertLess(len(rest), 12)

    def sessions(self):
        return harness.get(self.gateway.admin, "/v1/sessions?user=" + self.user).json["sessions"]

    def test_tokens_that_do_not_hold_are_unauthenticated_before_any_frame_10_2(self):
        for token, code in ((None, "4501"), ("nonsense", "4501"), (self.keys.token(self.user, "s", aud="someone else"), "4501"),
                            (self.keys.token(self.user, "s", iat=1000, exp=2000), "4502")):
            with self.subTest(code=code):
                call = Call(self.channel, token)
                status, _, metadata, rest = call.end()
                self.assertEqual((status, rest), (grpc.StatusCode.UNAUTHENTICATED, []))
                self.assertEqual((metadata["push-code"], metadata["push-verdict"]), (code, "reauthenticate"))

    def test_a_request_that_is_none_is_an_invalid_argument(self):
        raw = self.channel.unary_stream(SUBSCRIBE, lambda b: b, edge.Frame.FromString)
        with self.assertRaises(grpc.RpcError) as caught:
            list(raw(b"\x0a\xff", metadata=(("authorization", "Bearer " + self.keys.token(self.user, "s")),)))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(dict(caught.exception.trailing_metadata())["push-code"], "4500")

    def test_what_is_no_protobuf_does_not_fill_the_log_10_4(self):
        raw = self.channel.unary_stream(SUBSCRIBE, lambda b: b, edge.Frame.FromString)
        with self.assertRaises(grpc.RpcError) as refused:
            list(raw(b"\x0a\x02\xff\xfe", metadata=(("authorization", "Bearer " + self.keys.token("ann", "s-1")),)))  # a cursor that is not UTF-8
        self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertNotIn("libprotobuf", self.gateway.output())

    def test_a_request_over_64_kib_and_a_compressed_one_are_refused_10_4(self):
        code, _, _, _ = self.subscribe(cursor="c" * 70000).end()
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        code, _, _, _ = self.subscribe(cursor="c" * 1000, compression=grpc.Compression.Gzip).end()
        self.assertEqual(code, grpc.StatusCode.UNIMPLEMENTED)

    def test_a_deadline_ends_the_call(self):
        call = self.subscribe(timeout=0.5)
        call.next("welcome")
        self.assertEqual(call.end()[0], grpc.StatusCode.DEADLINE_EXCEEDED)
        harness.wait_for("the gateway has forgotten it", lambda: not self.sessions())

    def test_a_cancelled_call_is_forgotten(self):
        call = self.subscribe()
        call.next("welcome")
        self.assertEqual([s["transport"] for s in self.sessions()], ["grpc"])
        call.call.cancel()
        harness.wait_for("the gateway has forgotten it", lambda: not self.sessions())

    def test_many_calls_share_a_connection(self):
        calls = [self.subscribe("s-%d" % i) for i in range(20)]
        for call in calls:
            call.next("welcome")
        cursor = self.publish()
        self.assertEqual({call.next("event").cursor for call in calls}, {cursor})

    def test_health_and_reflection_need_no_token(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest.SerializeToString, health.HealthCheckResponse.FromString)
        for service in ("", "galaxy.gateway.v1.Edge"):
            self.assertEqual(check(health.HealthCheckRequest(service=service)).status, health.HealthCheckResponse.SERVING)
        info = self.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                          reflection.ServerReflectionRequest.SerializeToString, reflection.ServerReflectionResponse.FromString)
        listed, file = info(iter([reflection.ServerReflectionRequest(list_services="*"),
                                  reflection.ServerReflectionRequest(file_containing_symbol="galaxy.gateway.v1.Edge")]))
        self.assertIn("galaxy.gateway.v1.Edge", {s.name for s in listed.list_services_response.service})
        self.assertTrue(file.file_descriptor_response.file_descriptor_proto)

    def test_health_says_no_while_the_gateway_is_not_ready_9_4(self):
        own = self.enterContext(harness.gateway("127.0.0.1:9", self.keys, self.folder / "gw-4", id="gw-4"))
        check = self.enterContext(channel(own.listen)).unary_unary("/grpc.health.v1.Health/Check", health.HealthCheckRequest.SerializeToString,
                                                                   health.HealthCheckResponse.FromString)
        self.assertEqual(check(health.HealthCheckRequest()).status, health.HealthCheckResponse.NOT_SERVING)
        code, _, metadata, _ = self.subscribe(on=self.enterContext(channel(own.listen))).end()
        self.assertEqual((code, metadata["push-code"], metadata["push-verdict"]), (grpc.StatusCode.UNAVAILABLE, "4453", "resume"))

    def test_a_drain_is_told_by_health_and_by_bye_6_5(self):
        own = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / "gw-2", "--drain-spread", "300ms", id="gw-2"))
        harness.wait_for("it is ready", own.ready_now)
        on = self.enterContext(channel(own.listen))
        watch = on.unary_stream("/grpc.health.v1.Health/Watch", health.HealthCheckRequest.SerializeToString, health.HealthCheckResponse.FromString)
        told = watch(health.HealthCheckRequest(service="galaxy.gateway.v1.Edge"))
        self.addCleanup(told.cancel)
        while next(told).status != health.HealthCheckResponse.SERVING:
            pass
        call = self.subscribe(on=on)
        call.next("welcome")
        own.process.terminate()
        self.assertEqual(next(told).status, health.HealthCheckResponse.NOT_SERVING)
        told.cancel()
        self.assertEqual(call.next("bye").code, 1001)
        code, _, metadata, _ = call.end()
        self.assertEqual((code, metadata["push-code"], metadata["push-verdict"], metadata["push-retry-after-ms"]),
                         (grpc.StatusCode.UNAVAILABLE, "1001", "resume", "1000"))
        self.assertEqual(own.process.wait(20), 0)

    def test_the_same_over_tls_10_1(self):
        ca = self.folder / "ca"
        subprocess.run([harness.BINARY, "keys", "dev-ca", "--out", str(ca), "--gateways", "gw-3"], check=True, capture_output=True)
        own = self.enterContext(harness.gateway(self.backend.listen, self.keys, self.folder / "gw-3", "--tls-cert", ca / "server.crt",
                                                "--tls-key", ca / "server.key", id="gw-3"))
        harness.wait_for("it is ready", own.ready_now)
        credentials = grpc.ssl_channel_credentials((ca / "ca.crt").read_bytes())
        call = self.subscribe(on=self.enterContext(channel(own.listen, credentials=credentials)))
        call.next("welcome")
        cursor = self.publish()
        event = call.next("event")
        self.assertEqual(event.cursor, cursor)
        harness.invalidate(self.backend.listen, user_id=self.user, reason="password changed")
        self.assertEqual(call.next("bye").verdict, "reauthenticate")
        self.assertEqual(call.end()[0], grpc.StatusCode.UNAUTHENTICATED)


if __name__ == "__main__":
    unittest.main()
