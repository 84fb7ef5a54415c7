"""A client of NATS and its JetStream API in the text protocol (docs.nats.io, "Client protocol"), over one socket.

For tests and tools that ask a server something: one thread, blocking, no reconnect. Not for throughput.
"""
import base64, collections, json, os, socket, time


class NatsError(Exception):
    """The server refused, the connection ended, or an API call answered with an error (`code`, `err_code`)."""

    def __init__(self, text, code=0, err_code=0):
        super().__init__(text)
        self.code, self.err_code = code, err_code


class NoResponders(NatsError):
    """Nobody serves the subject at this moment: JetStream without a leader answers so (status 503)."""


class Timeout(NatsError):
    pass


Message = collections.namedtuple("Message", "subject reply headers status payload")


class Nats:
    """One connection. A context manager."""

    def __init__(self, address, timeout=2.0):
        host, port = address.rsplit(":", 1)
        self.address, self.timeout = address, timeout
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.buffer = b""
        self.queues = {}  # sid -> messages that have come
        self.inbox = "_INBOX." + base64.b32encode(os.urandom(10)).decode().lower()
        self.serial = 0
        self.info = json.loads(self._line(time.monotonic() + timeout).split(b" ", 1)[1])
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "test", "version": "1"}
        self.socket.sendall(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        self.pongs = 0
        end = time.monotonic() + timeout
        while self.pongs == 0:
            self._step(end)
        self.sid = self.subscribe(self.inbox + ".*")

    # The protocol.
    def _fill(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise Timeout("%s does not answer" % self.address)
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise Timeout("%s does not answer" % self.address)
        except OSError as error:
            raise NatsError(repr(error))
        if not data:
            raise NatsError("%s closed the connection" % self.address)
        self.buffer += data

    def _line(self, end):
        while b"\r\n" not in self.buffer:
            self._fill(end)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _bytes(self, count, end):
        while len(self.buffer) < count + 2:
            self._fill(end)
        data, self.buffer = self.buffer[:count], self.buffer[count + 2:]
        return data

    def _step(self, end):
        """Takes one message of the protocol."""
        line = self._line(end)
        verb, *words = line.split(b" ")
        if verb in (b"MSG", b"HMSG"):
            words = [word.decode() for word in words]
            total = int(words[-1])
            head = int(words[-2]) if verb == b"HMSG" else 0
            reply = words[2] if len(words) == (5 if head else 4) else ""
            data = self._bytes(total, end)
            status, headers = parse_headers(data[:head])
            self.queues.setdefault(words[1], collections.deque()).append(Message(words[0], reply, headers, status, data[head:]))
        elif verb == b"PING":
            self.socket.sendall(b"PONG\r\n")
        elif verb == b"PONG":
            self.pongs += 1
        elif verb == b"-ERR":
            raise NatsError(line.decode())

    def subscribe(self, subject):
        self.serial += 1
        sid = str(self.serial)
        self.queues[sid] = collections.deque()
        self.socket.sendall(b"SUB %s %s\r\n" % (subject.encode(), sid.encode()))
        return sid

    def next(self, sid, timeout=None):
        """The next message of a subscription."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.queues[sid]:
            self._step(end)
        return self.queues[sid].popleft()

    def publish(self, subject, payload=b"", headers=None, reply=""):
        to = subject.encode() + (b" " + reply.encode() if reply else b"")
        if headers:
            head = b"NATS/1.0\r\n" + b"".join(b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in headers.items()) + b"\r\n"
            self.socket.sendall(b"HPUB %s %d %d\r\n" % (to, len(head), len(head) + len(payload)) + head + payload + b"\r\n")
        else:
            self.socket.sendall(b"PUB %s %d\r\n" % (to, len(payload)) + payload + b"\r\n")

    def request(self, subject, payload=b"", headers=None, timeout=None):
        self.serial += 1
        reply = "%s.%d" % (self.inbox, self.serial)
        self.publish(subject, payload, headers, reply)
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            message = self.next(self.sid, max(0, end - time.monotonic()))
            if message.subject != reply:
                continue  # the late answer of a request that was given up
            if message.status == 503:
                raise NoResponders("nobody serves " + subject, 503)
            return message

    # JetStream.
    def api(self, subject, body=None, timeout=None):
        """One call of the JetStream API; returns the decoded answer."""
        answer = json.loads(self.request("$JS.API." + subject, json.dumps(body).encode() if body is not None else b"", timeout=timeout).payload)
        if "error" in answer:
            error = answer["error"]
            raise NatsError("%s: %s" % (subject, error.get("description", error)), error.get("code", 0), error.get("err_code", 0))
        return answer

    def stream(self, name, timeout=None):
        return self.api("STREAM.INFO." + name, timeout=timeout)

    def store(self, subject, payload, id=None, timeout=None):
        """Publishes into a stream; returns its acknowledgement."""
        answer = json.loads(self.request(subject, payload, {"Nats-Msg-Id": id} if id else None, timeout).payload)
        if "error" in answer:
            raise NatsError("store: %s" % answer["error"], answer["error"].get("code", 0), answer["error"].get("err_code", 0))
        return answer

    def message(self, stream, sequence, timeout=None):
        """A message of a stream as the API tells it: seq, time, subject, payload."""
        found = self.api("STREAM.MSG.GET." + stream, {"seq": sequence}, timeout)["message"]
        return found | {"payload": base64.b64decode(found.get("data", ""))}

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()


def parse_headers(data):
    """(status, headers) of a header block; status is 0 when the first line has none."""
    if not data:
        return 0, {}
    first, *lines = data.decode().rstrip("\r\n").split("\r\n")
    words = first.split(" ")
    headers = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(words[1]) if len(words) > 1 and words[1] else 0, {k: v.strip() for k, v in headers.items()}
