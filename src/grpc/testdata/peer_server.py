"""Python's grpcio as the peer of our gRPC client.

    peer_server.py CLIENT_BINARY
"""
import os
import subprocess
import sys
import threading
from concurrent import futures

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402

CANCELLED = threading.Event()


def unary(request, context):
    return request


def stream(request, context):
    count, size = map(int, request.split())
    for _ in range(count):
        yield b"e" * size


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "не готово: 100%\n")


def hang(request, context):
    context.add_callback(CANCELLED.set)
    CANCELLED.wait(20)
    return b""


def as_is(data):
    return data


def main():
    server = grpc.server(futures.ThreadPoolExecutor(4),
                         options=[("grpc.max_receive_message_length", 10_000_000)])
    handlers = {name: grpc.unary_unary_rpc_method_handler(function, as_is, as_is)
                for name, function in (("Unary", unary), ("Fail", fail), ("Hang", hang))}
    handlers["Stream"] = grpc.unary_stream_rpc_method_handler(stream, as_is, as_is)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    status = subprocess.run([sys.argv[1], str(port)], timeout=60).returncode
    told = CANCELLED.wait(20)
    server.stop(None).wait()
    if not told:
        print("FAIL: the server was not told of the cancellation")
    sys.exit(status or not told)


main()
