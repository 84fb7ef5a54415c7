"""Python's grpcio as the peer of our gRPC server.

    peer_test.py SERVER_BINARY PROTOC PROTO_ROOT
"""
import importlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

# Debian ships protobuf's C++ parser; the generated classes work with any.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402

SERVER, PROTOC, PROTO_ROOT = sys.argv[1:4]
DEADLINE = 20


def as_is(data):
    return data


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in time: " + what)
        time.sleep(0.01)


class Server:
    def __init__(self):
        self.process = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = "127.0.0.1:%d" % int(self.process.stdout.readline())

    def drain(self):
        self.process.stdin.write(b"d")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(DEADLINE)
        self.process.stdout.close()
        return status


class PeerTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.channels = []
        self.channel = self.connect()

    def tearDown(self):
        for channel in self.channels:
            channel.close()
        self.assertEqual(self.server.close(), 0)

    def connect(self, options=()):
        # Each test channel gets a connection of its own.
        channel = grpc.insecure_channel(
            self.server.address, options=[("grpc.use_local_subchannel_pool", 1), *options])
        self.channels.append(channel)
        return channel

    def unary(self, method, request=b"", channel=None, **kwargs):
        call = (channel or self.channel).unary_unary("/test.Echo/" + method, as_is, as_is)
        return call(request, timeout=kwargs.pop("timeout", DEADLINE), **kwargs)

    def stream(self, method, request=b"", channel=None, **kwargs):
        call = (channel or self.channel).unary_stream("/test.Echo/" + method, as_is, as_is)
        return call(request, timeout=kwargs.pop("timeout", DEADLINE), **kwargs)

    def refused(self, code, function, *args, **kwargs):
        with self.assertRaises(grpc.RpcError) as caught:
            function(*args, **kwargs)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_unary(self):
        for size in (0, 1, 1000, 100_000, 3_000_000):
            self.assertEqual(self.unary("Unary", b"x" * size), b"x" * size)

    def test_server_streaming_with_trailers(self):
        call = self.stream("Stream", b"20000 328")
        messages = list(call)
        self.assertEqual(len(messages), 20000)
        self.assertEqual(set(messages), {b"e" * 328})
        self.assertIn(("x-end", "stream"), call.trailing_metadata())

    def test_bidirectional_streaming(self):
        call = self.channel.stream_stream("/test.Echo/Bidi", as_is, as_is)(
            (b"%d" % i for i in range(1000)), timeout=DEADLINE, metadata=[("x-ask", "hello")])
        self.assertIn(("x-ask", "hello"), call.initial_metadata())
        self.assertEqual([int(m) for m in call], list(range(1000)))
        self.assertEqual(call.code(), grpc.StatusCode.OK)

    def test_status_message_and_trailers(self):
        error = self.refused(grpc.StatusCode.FAILED_PRECONDITION, self.unary, "Fail")
        self.assertEqual(error.details(), "не готово: 100%\n")
        self.assertIn(("x-why", "test"), error.trailing_metadata())
        self.assertIn(("x-raw-bin", b"\0\xff"), error.trailing_metadata())

    def test_unknown_method(self):
        self.refused(grpc.StatusCode.UNIMPLEMENTED, self.unary, "Nothing")

    def test_message_over_the_limit(self):
        self.assertEqual(len(self.unary("Small", b"x" * 100)), 100)
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, self.unary, "Small", b"x" * 101)
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, self.unary, "Unary", b"x" * 5_000_000)

    def test_compressed_request(self):
        channel = self.connect([("grpc.default_compression_algorithm", grpc.Compression.Gzip)])
        self.refused(grpc.StatusCode.UNIMPLEMENTED, self.unary, "Unary", b"x" * 10_000, channel)

    def test_cancellation_reaches_the_handler(self):
        call = self.stream("Hang", b"x")
        self.assertIn(("x-hang", "yes"), call.initial_metadata())
        wait_until(lambda: self.unary("Count") == b"1 0", "the message arrives")
        call.cancel()
        wait_until(lambda: self.unary("Count") == b"1 1", "the handler is told")

    def test_deadline(self):
        call = self.stream("Hang", b"x", timeout=0.3)
        self.refused(grpc.StatusCode.DEADLINE_EXCEEDED, list, call)
        wait_until(lambda: self.unary("Count") == b"1 1", "the handler is told")

    def test_lost_connection_reaches_the_handler(self):
        other = self.connect()
        call = self.stream("Hang", b"x", other)
        wait_until(lambda: self.unary("Count") == b"1 0", "the message arrives")
        other.close()
        wait_until(lambda: self.unary("Count") == b"1 1", "the handler is told")
        self.assertTrue(call.done())

    def test_small_windows(self):
        channel = self.connect([("grpc.http2.lookahead_bytes", 1024),
                                ("grpc.http2.bdp_probe", 0),
                                ("grpc.http2.max_frame_size", 16384)])
        self.assertEqual(sum(len(m) for m in self.stream("Stream", b"3000 1000", channel)), 3_000_000)

    def test_a_stalled_stream_is_ended_at_once(self):
        # Nothing is read from the flood, so its window closes; the trailers pass all the same.
        channel = self.connect([("grpc.http2.bdp_probe", 0)])
        call = self.stream("Flood", b"x", channel)
        next(call)
        wait_until(lambda: self.unary("Cut") == b"1", "the flood runs")
        seen = 0
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in call:
                seen += 1
        self.assertEqual(caught.exception.code(), grpc.StatusCode.ABORTED)
        self.assertEqual(caught.exception.details(), "superseded")
        self.assertIn(("push-close-reason", "superseded"), caught.exception.trailing_metadata())
        self.assertLess(seen, 100_000)

    def test_a_stalled_stream_does_not_block_its_neighbours(self):
        floods = [self.stream("Flood", b"x") for _ in range(3)]
        for flood in floods:
            next(flood)
        self.assertEqual(self.unary("Unary", b"y" * 100_000), b"y" * 100_000)
        self.assertEqual(len(list(self.stream("Stream", b"1000 1000"))), 1000)
        for flood in floods:
            flood.cancel()

    def test_many_streams_on_one_connection(self):
        results = {}

        def run(number):
            results[number] = len(list(self.stream("Stream", b"500 %d" % (number + 1))))

        threads = [threading.Thread(target=run, args=(i,)) for i in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, {i: 500 for i in range(30)})

    def test_a_handler_that_pauses_holds_the_client_back(self):
        sent = []

        def requests():
            for i in range(3000):
                sent.append(i)
                yield b"r" * 1000

        call = self.channel.stream_unary("/test.Echo/Pause", as_is, as_is).future(
            requests(), timeout=DEADLINE)
        # The window (256 KiB) and the client's own buffers are all that is taken.
        last = [-1]

        def stands_still():
            before, last[0] = last[0], len(sent)
            time.sleep(0.2)
            return last[0] > 1 and len(sent) == before

        wait_until(stands_still, "the client is held back")
        self.assertLess(len(sent), 2000)
        self.unary("Resume")
        self.assertEqual(call.result(), b"3000")

    def test_drain_lets_calls_end_and_new_ones_go_elsewhere(self):
        call = self.channel.stream_stream("/test.Echo/Bidi", as_is, as_is)
        gate = threading.Event()

        def requests():
            yield b"first"
            gate.wait(DEADLINE)
            yield b"second"

        answers = call(requests(), timeout=DEADLINE)
        self.assertEqual(next(answers), b"first")
        self.server.drain()
        # The listener of the test server stays, so a new call finds it by a new connection.
        self.assertEqual(self.unary("Unary", b"new"), b"new")
        gate.set()
        self.assertEqual(list(answers), [b"second"])
        self.assertEqual(answers.code(), grpc.StatusCode.OK)


class StandardServicesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.generated = tempfile.TemporaryDirectory()
        files = ["grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
                 "grpc/reflection/v1alpha/reflection.proto"]
        # Under another name than `grpc`, which is the library's own package here.
        for name in files:
            target = os.path.join(cls.generated.name, "std", name.split("/", 1)[1])
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(os.path.join(PROTO_ROOT, name)) as source, open(target, "w") as out:
                out.write(source.read())
        subprocess.run([PROTOC, "-I", cls.generated.name, "--python_out", cls.generated.name,
                        *("std/" + name.split("/", 1)[1] for name in files)],
                       check=True, cwd=cls.generated.name)
        sys.path.insert(0, cls.generated.name)
        cls.health = importlib.import_module("std.health.v1.health_pb2")
        cls.v1 = importlib.import_module("std.reflection.v1.reflection_pb2")
        cls.v1alpha = importlib.import_module("std.reflection.v1alpha.reflection_pb2")
        cls.server = Server()
        cls.channel = grpc.insecure_channel(cls.server.address)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.server.close() == 0
        cls.generated.cleanup()

    def check(self, service):
        call = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            self.health.HealthCheckRequest.SerializeToString,
            self.health.HealthCheckResponse.FromString)
        return call(self.health.HealthCheckRequest(service=service), timeout=DEADLINE).status

    def test_health(self):
        serving = self.health.HealthCheckResponse.SERVING
        self.assertEqual(self.check(""), serving)
        self.assertEqual(self.check("test.Echo"), serving)
        with self.assertRaises(grpc.RpcError) as caught:
            self.check("nothing")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
        watch = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            self.health.HealthCheckRequest.SerializeToString,
            self.health.HealthCheckResponse.FromString)
        statuses = watch(self.health.HealthCheckRequest(service="test.Echo"), timeout=DEADLINE)
        self.assertEqual(next(statuses).status, serving)
        self.channel.unary_unary("/test.Echo/SetHealth", as_is, as_is)(b"", timeout=DEADLINE)
        self.assertEqual(next(statuses).status, self.health.HealthCheckResponse.NOT_SERVING)
        statuses.cancel()
        unknown = watch(self.health.HealthCheckRequest(service="nothing"), timeout=DEADLINE)
        self.assertEqual(next(unknown).status, self.health.HealthCheckResponse.SERVICE_UNKNOWN)
        unknown.cancel()

    def ask(self, version, classes, *requests):
        call = self.channel.stream_stream(
            "/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version,
            classes.ServerReflectionRequest.SerializeToString,
            classes.ServerReflectionResponse.FromString)
        return list(call(iter(requests), timeout=DEADLINE))

    def test_reflection(self):
        from google.protobuf import descriptor_pb2, descriptor_pool
        for version, classes in (("v1", self.v1), ("v1alpha", self.v1alpha)):
            request = classes.ServerReflectionRequest
            services, by_symbol, by_name, foreign, numbers, extension = self.ask(
                version, classes, request(list_services=""),
                request(file_containing_symbol="grpc.health.v1.Health.Check"),
                request(file_by_filename="grpc/health/v1/health.proto"),
                request(file_by_filename="google/protobuf/descriptor.proto"),
                request(all_extension_numbers_of_type="grpc.health.v1.HealthCheckRequest"),
                request(file_containing_extension=classes.ExtensionRequest(
                    containing_type="grpc.health.v1.HealthCheckRequest", extension_number=9)))
            self.assertEqual(
                [s.name for s in services.list_services_response.service],
                ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                 "grpc.reflection.v1alpha.ServerReflection"])
            self.assertEqual(by_symbol.file_descriptor_response, by_name.file_descriptor_response)
            self.assertEqual(foreign.error_response.error_code, 5)
            self.assertEqual(list(numbers.all_extension_numbers_response.extension_number), [])
            self.assertEqual(extension.error_response.error_code, 5)
            # As grpcurl does: build the method from what came.
            pool = descriptor_pool.DescriptorPool()
            for data in by_symbol.file_descriptor_response.file_descriptor_proto:
                pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
            method = pool.FindServiceByName("grpc.health.v1.Health").FindMethodByName("Check")
            self.assertEqual(method.output_type.full_name, "grpc.health.v1.HealthCheckResponse")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
