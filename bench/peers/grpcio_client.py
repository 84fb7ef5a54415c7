"""python3-grpcio as a client of SubscribePush that counts and decodes nothing: grpcio_client.py HOST:PORT ENTRIES CURSOR.

Prints one JSON object. CURSOR "-": from the ring's start, as a gateway asks for it.
"""
import json, sys, time

import grpc

address, wanted, cursor = sys.argv[1], int(sys.argv[2]), sys.argv[3]
metadata = [("push-since", "0")] if cursor == "-" else []


def field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


request = field(1, "grpcio") + (field(2, cursor) if cursor != "-" else b"")
with grpc.insecure_channel(address) as channel:
    call = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush")
    begin, cpu_begin, entries, size = time.monotonic(), time.process_time(), 0, 0
    stream = call(request, metadata=metadata)
    for message in stream:
        entries += 1
        size += len(message)
        if entries == wanted:
            break
    print(json.dumps({"entries": entries, "bytes": size, "seconds": time.monotonic() - begin, "cpu_seconds": time.process_time() - cpu_begin}))
    stream.cancel()
sys.exit(0 if entries == wanted else 1)
