"""A client of the gateway's WebSocket edge with nothing but the standard library (RFC 6455, text frames)."""
import base64, json, os, socket, struct


class Closed(Exception):
    pass


class Refused(Exception):
    """The upgrade was answered with another status."""

    def __init__(self, status):
        super().__init__("HTTP %d" % status)
        self.status = status


class WebSocketClient:
    """frame() raises socket.timeout when nothing came for `timeout`, and Closed at the end."""

    def __init__(self, address, token, cursor=None, timeout=1.0):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        try:
            self.buffer = b""
            path = "/v1/events" + ("?cursor=" + cursor if cursor else "")
            self.socket.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: galaxy.push.v1\r\nAuthorization: Bearer %s\r\n\r\n"
                                 % (path, address, base64.b64encode(os.urandom(16)).decode(), token)).encode())
            while b"\r\n\r\n" not in self.buffer:
                self._receive()
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            status = int(head.split(b" ", 2)[1])
            if status != 101:
                raise Refused(status)
            self.socket.settimeout(timeout)
        except BaseException:
            self.socket.close()
            raise

    def _receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed("the connection ended")
        self.buffer += data

    def _raw_frame(self):
        while True:
            if len(self.buffer) >= 2:
                length, at = self.buffer[1] & 0x7F, 2
                extra = {126: 2, 127: 8}.get(length, 0)
                if extra and len(self.buffer) >= 2 + extra:
                    length = struct.unpack(">H" if extra == 2 else ">Q", self.buffer[2:2 + extra])[0]
                    at = 2 + extra
                if (not extra or at > 2) and len(self.buffer) >= at + length:
                    opcode, body = self.buffer[0] & 15, self.buffer[at:at + length]
                    self.buffer = self.buffer[at + length:]
                    return opcode, body
            self._receive()

    def frame(self):
        """The next text frame, decoded."""
        while True:
            opcode, body = self._raw_frame()
            if opcode == 1:
                return json.loads(body)
            if opcode == 8:
                raise Closed("close %s" % (struct.unpack(">H", body[:2])[0] if len(body) >= 2 else "without code"))
            if opcode == 9:
                self._send(10, body)

    def send(self, value):
        """A text frame of JSON."""
        self._send(1, json.dumps(value).encode())

    def _send(self, opcode, body):
        mask = os.urandom(4)
        length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body)))

    def close(self):
        self.socket.close()
