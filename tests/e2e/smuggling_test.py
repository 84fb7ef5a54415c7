"""Request smuggling and response splitting, tried through a real gateway by raw sockets: semantics.md 10.4.

The application behind the gateway records every byte it gets and reads it by the letter of RFC 9112: whatever is tried, it must never find
a second request in it. Every attack carries a good token, so it is the form that is refused.
"""
import itertools, pathlib, re, socket, struct, sys, threading, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import harness

HIDDEN = b"GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
NUMBERS = itertools.count()
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
# What the application answers, by path; everything else gets OK.
ANSWERS = {
    b"/api/length-and-chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"/api/two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\nok",
    b"/api/negative-length": b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
    b"/api/folded": b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
    b"/api/bare-lf": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    b"/api/null": b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok",
    b"/api/other-coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"/api/switching": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    b"/api/garbage": b"SSH-2.0-hello\r\n\r\n",
    b"/api/204-with-body": b"HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\npoison",
    b"/api/304-with-body": b"HTTP/1.1 304 Not Modified\r\n\r\npoison",
    b"/api/longer-than-said": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    b"/api/after-last-chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
}


class Application:
    """Reads requests one after the other from each connection and keeps all bytes."""

    def __init__(self):
        self.lock, self.bytes, self.requests, self.accepted = threading.Lock(), b"", [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def heads(self, path):
        with self.lock:
            return [head for asked, head in self.requests if asked == path]

    def paths(self):
        with self.lock:
            return {path for path, _ in self.requests}

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        unread = b""

        def more():
            got = connection.recv(65536)
            if not got:
                raise ConnectionError
            with self.lock:
                self.bytes += got
            return got

        try:
            while True:
                while b"\r\n\r\n" not in unread:
                    unread += more()
                head, unread = unread.split(b"\r\n\r\n", 1)
                path = head.split(b" ")[1]
                with self.lock:
                    self.requests.append((path, head))
                fields = dict((name.lower(), value.strip()) for name, value in (line.split(b":", 1) for line in head.split(b"\r\n")[1:]))
                if b"transfer-encoding" in fields:
                    while not re.match(rb"(?s)(.*?\r\n)?0\r\n(.*\r\n)*\r\n", unread):
                        unread += more()
                    unread = b""
                length = int(fields.get(b"content-length", b"0"))
                while len(unread) < length:
                    unread += more()
                unread = unread[length:]
                connection.sendall(ANSWERS.get(path, OK))
        except (OSError, ConnectionError):
            pass
        finally:
            connection.close()


class Smuggling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(harness.folder())
        cls.keys = harness.Keys(cls.folder)
        cls.app = Application()
        cls.addClassCleanup(cls.app.listener.close)
        cls.backend = cls.enterClassContext(harness.backend())
        cls.gateway = cls.enterClassContext(harness.gateway(cls.backend.listen, cls.keys, cls.folder / "gw-1", "--app", cls.app.url))
        harness.wait_for("the gateway is ready", cls.gateway.ready_now)
        cls.token = cls.keys.token("ann", "phone").encode()
        cls.allowed = {b"/api/after"} | set(ANSWERS)

    @classmethod
    def tearDownClass(cls):
        """At the end, since a request that was cut off may be read late: only what may go on has."""
        reached = cls.app.paths() - cls.allowed
        if reached:
            raise AssertionError("these requests reached the application: %s" % reached)

    @classmethod
    def path(cls, allowed=True):
        """A path that no other test has, as long as /api/turn."""
        path = b"/api/%04d" % next(NUMBERS)
        if allowed:
            cls.allowed.add(path)
        return path

    def connect(self):
        host, port = self.gateway.listen.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=harness.DEADLINE_S)
        self.addCleanup(connection.close)
        return connection

    def send(self, data, answers=0):
        """Sends and half-closes; what comes back until the end. With `answers`: until there are so many, without half-closing."""
        connection, answer = self.connect(), b""
        try:
            connection.sendall(data)
            if not answers:
                connection.shutdown(socket.SHUT_WR)
            while (not answers or len(self.statuses(answer)) < answers) and (got := connection.recv(65536)):
                answer += got
        except ConnectionError:
            pass
        return answer

    def request(self, fields=b"", body=b"", line=b"POST /api/turn HTTP/1.1", host=b"Host: game.example\r\n"):
        return line + b"\r\n" + host + b"Authorization: Bearer " + self.token + b"\r\n" + fields + b"\r\n" + body

    def statuses(self, answer):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]

    def check_nothing_hidden(self, name):
        """Whatever was tried, nobody after it gets anything but the answer to its own request."""
        answer = self.send(self.request(line=b"GET /api/after HTTP/1.1", fields=b"connection: close\r\n"))
        self.assertEqual((self.statuses(answer), answer[-2:]), ([200], b"ok"), name)
        self.assertNotIn(b"/api/smuggled", self.app.paths(), name)

    def good(self, fields=b"", body=b"", line=b"POST %s HTTP/1.1"):
        """The head that reaches the application of a request that is good."""
        path = self.path()
        answer = self.send(self.request(fields + b"connection: close\r\n", body, line=line % path))
        self.assertEqual(self.statuses(answer), [200])
        (head,) = self.app.heads(path)
        return head

    def refused(self, attacks, reached=0):
        """Each is answered with one of its statuses, once, and so many requests reach the application, which is cut off within them."""
        for name, (data, *wanted) in attacks.items():
            with self.subTest(name):
                path = self.path(allowed=reached > 0)
                answer = self.statuses(self.send(data.replace(b"/api/turn", path)))
                self.assertEqual(len(answer), 1, answer)
                self.assertIn(answer[0], wanted)
                self.check_nothing_hidden(name)
                self.assertLessEqual(len(self.app.heads(path)), reached)

    def test_two_ways_to_tell_the_length_are_refused_10_4(self):
        chunks = b"0\r\n\r\n" + HIDDEN
        coding = lambda field: self.request(field, chunks)
        self.refused({
            "CL.TE": (self.request(b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(chunks), chunks), 400),
            "TE.CL": (self.request(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\n" + HIDDEN + b"0\r\n\r\n"), 400),
            "TE.TE": (coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400),
            "TE.TE, the same": (coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
            "xchunked": (coding(b"Transfer-Encoding: xchunked\r\n"), 501),
            "identity": (coding(b"Transfer-Encoding: identity\r\n"), 501),
            "chunked, identity": (coding(b"Transfer-Encoding: chunked, identity\r\n"), 501),
            "gzip, chunked": (coding(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
            "quoted": (coding(b'Transfer-Encoding: "chunked"\r\n'), 501),
            "parameter": (coding(b"Transfer-Encoding: chunked;q=1\r\n"), 501),
            "empty coding": (coding(b"Transfer-Encoding: \r\n"), 400, 501),
            "space before the colon": (coding(b"Transfer-Encoding : chunked\r\n"), 400),
            "tab before the colon": (coding(b"Transfer-Encoding\t: chunked\r\n"), 400),
            "vertical tab": (coding(b"Transfer-Encoding: \x0bchunked\r\n"), 400, 501),
            "form feed": (coding(b"Transfer-Encoding:\x0cchunked\r\n"), 400, 501),
            "null in the value": (coding(b"Transfer-Encoding: chunked\0\r\n"), 400),
            "null in the name": (coding(b"Transfer-Encoding\0: chunked\r\n"), 400),
            "high bit in the name": (coding(b"Transfer-Encoding\xff: chunked\r\n"), 400),
            "space before the name": (coding(b"X: y\r\n Transfer-Encoding: chunked\r\n"), 400),
            "folded": (coding(b"Transfer-Encoding:\r\n chunked\r\n"), 400),
            "folded by a tab": (coding(b"X: y\r\n\tTransfer-Encoding: chunked\r\n"), 400),
            "bare LF": (coding(b"X: y\nTransfer-Encoding: chunked\r\n"), 400),
            "bare CR": (coding(b"X: y\rTransfer-Encoding: chunked\r\n"), 400),
            "LF CR": (coding(b"X: y\n\rTransfer-Encoding: chunked\r\n"), 400),
            "in HTTP/1.0": (self.request(b"Transfer-Encoding: chunked\r\n", chunks, line=b"POST /api/turn HTTP/1.0"), 400),
            "no name": (coding(b": chunked\r\n"), 400),
            "no colon": (coding(b"Transfer-Encoding\r\n"), 400),
        })

    def test_a_length_is_digits_once(self):
        length = lambda *values: self.request(b"".join(b"Content-Length: " + value + b"\r\n" for value in values), b"hello" + HIDDEN)
        self.refused({repr(values): (length(*values), 400) for values in (
            (b"5", b"6"), (b"5", b"5"), (b"5, 5",), (b"5,6",), (b"+5",), (b"-1",), (b"-0",), (b"0x5",), (b"5 5",), (b"5;",), (b"",), (b"5.0",), (b"5e0",),
            (b"\xd9\xa5",), (b"18446744073709551621",), (b"9" * 100,), (b"5\0",), (b"5\x0b",))})

    def test_zeros_before_a_length_do_not_go_on(self):
        for text in (b"005", b"0" * 15 + b"5"):
            head = self.good(b"Content-Length: " + text + b"\r\n", b"hello")
            self.assertEqual(re.findall(rb"(?i)content-length: *(\S+)", head), [b"5"])

    def test_hosts_targets_and_versions_are_told_once(self):
        line = lambda text: self.request(line=text)
        self.refused({
            "two hosts": (self.request(host=b"Host: a\r\nHost: b\r\n"), 400),
            "no host": (self.request(host=b""), 400),
            "a host with a path": (self.request(host=b"Host: a/b\r\n"), 400),
            "a host with a blank": (self.request(host=b"Host: a b\r\n"), 400),
            "a blank in the target": (line(b"GET /api/a b HTTP/1.1"), 400, 505),
            "a tab for a blank": (line(b"GET\t/api/a HTTP/1.1"), 400),
            "two blanks": (line(b"GET  /api/a HTTP/1.1"), 400),
            "HTTP/1.1 twice": (line(b"GET /api/a HTTP/1.1 HTTP/1.1"), 400, 505),
            "HTTP/2.0 in text": (line(b"GET /api/a HTTP/2.0"), 400, 505),
            "HTTP/1.10": (line(b"GET /api/a HTTP/1.10"), 400, 505),
            "no version": (line(b"GET /api/a"), 400, 505),
            "a null in the target": (line(b"GET /api/a\0b HTTP/1.1"), 400),
            "a CR in the target": (line(b"GET /api/a\rX HTTP/1.1"), 400),
            "a fragment": (line(b"GET /api/a#b HTTP/1.1"), 400),
            "a method with a colon": (line(b"GE:T /api/a HTTP/1.1"), 400),
            "an authority form": (line(b"GET game.example:80 HTTP/1.1"), 400),
        })

    def test_the_target_in_absolute_form_names_the_host(self):
        head = self.good(line=b"GET http://other.example%s HTTP/1.1")
        self.assertEqual(re.findall(rb"(?i)\nhost: *(\S+)", head), [b"other.example"])

    def test_chunks_are_read_by_the_letter_10_4(self):
        chunked = lambda body: self.request(b"Transfer-Encoding: chunked\r\n", body)
        sizes = {repr(size): (chunked(size + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN), 400, 431) for size in (
            b"0x5", b"+5", b"-5", b" 5", b"5 ", b"\t5", b"", b"g", b"5\0", b"fffffffffffffffff", b"10000000000000005", b"5 ;a", b"5;a\0", b"5;a\x0b")}
        self.refused(sizes | {
            "LF behind the size": (chunked(b"5\nhello\r\n0\r\n\r\n" + HIDDEN), 400),
            "LF behind an extension": (chunked(b"5;a\nhello\r\n0\r\n\r\n" + HIDDEN), 400),
            "an endless extension": (chunked(b"5;" + b"a" * 40_000 + b"\r\nhello\r\n0\r\n\r\n" + HIDDEN), 400, 431),
            "CR behind the size": (chunked(b"5\rhello\r\n0\r\n\r\n" + HIDDEN), 400),
        })
        # The application has the first chunk by then; it is cut off, and finds no other request in it.
        self.refused({
            "longer than its size": (chunked(b"2\r\nhello\r\n0\r\n\r\n" + HIDDEN), 400),
            "shorter than its size": (chunked(b"7\r\nhello\r\n0\r\n\r\n" + HIDDEN), 400),
            "LF behind the data": (chunked(b"5\r\nhello\n0\r\n\r\n" + HIDDEN), 400),
            "nothing behind the data": (chunked(b"5\r\nhello0\r\n\r\n" + HIDDEN), 400),
            "LF behind the last size": (chunked(b"5\r\nhello\r\n0\n\n" + HIDDEN), 400),
            "LF for the end": (chunked(b"5\r\nhello\r\n0\r\n\n" + HIDDEN), 400),
            "a request for a trailer": (chunked(b"5\r\nhello\r\n0\r\n" + HIDDEN), 400),
            "a length for a trailer": (chunked(b"5\r\nhello\r\n0\r\nContent-Length: 60\r\n\r\n" + HIDDEN), 400),
            "a coding for a trailer": (chunked(b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + HIDDEN), 400),
            "a host for a trailer": (chunked(b"5\r\nhello\r\n0\r\nHost: x\r\n\r\n" + HIDDEN), 400),
            "a size over 64 bits behind it": (chunked(b"5\r\nhello\r\nfffffffffffffffff\r\n" + HIDDEN), 400),
        }, reached=1)

    def test_what_follows_a_request_is_one_of_its_own(self):
        """Behind the end of a body stands the next request, which has no token."""
        for fields, body in ((b"Transfer-Encoding: chunked\r\n", b"5;name=value\r\nhello\r\n0\r\n\r\n"), (b"Content-Length: 5\r\n", b"hello")):
            path = self.path()
            answer = self.send(self.request(fields, body + HIDDEN, line=b"POST %s HTTP/1.1" % path), answers=2)
            self.assertEqual(self.statuses(answer), [200, 401])
            self.check_nothing_hidden(fields)
            self.assertEqual(len(self.app.heads(path)), 1)

    def test_look_alikes_of_framing_do_not_go_on_10_4(self):
        head = self.good(b"Transfer_Encoding: chunked\r\nContent_Length: 0\r\nContent-Length: 5\r\n", b"hello")
        self.assertNotRegex(head, rb"(?i)transfer[-_]encoding|content_length")

    def test_trailers_go_on_in_chunks_but_for_those_that_mean_more_10_4(self):
        self.good(b"Transfer-Encoding: chunked\r\nTrailer: digest\r\n", b"5\r\nhello\r\n0\r\nDigest: one\r\nX-Galaxy-User-Id: eve\r\nX_Forwarded_For: eve\r\n\r\n")
        self.assertIn(b"5\r\nhello\r\n0\r\ndigest: one\r\n\r\n", self.app.bytes)
        self.assertNotIn(b"eve", self.app.bytes)

    def test_who_expects_a_continue_gets_it_once_and_the_application_does_not_hear_of_it(self):
        path, connection = self.path(), self.connect()
        connection.sendall(self.request(b"Content-Length: 5\r\nExpect: 100-continue\r\nconnection: close\r\n", line=b"POST %s HTTP/1.1" % path))
        interim = connection.recv(65536)
        self.assertEqual(interim, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(self.app.heads(path), [])
        connection.sendall(b"hello")
        answer = b""
        while got := connection.recv(65536):
            answer += got
        self.assertEqual(self.statuses(answer), [200])
        (head,) = self.app.heads(path)
        self.assertNotIn(b"expect", head.lower())

    def test_who_is_refused_gets_no_continue(self):
        answer = self.send(b"POST /api/turn HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(self.statuses(answer), [401])
        self.assertEqual(self.statuses(self.send(self.request(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello"))), [417])

    def test_answers_that_could_be_read_in_two_ways_are_none_10_4(self):
        for path in (b"/api/length-and-chunks", b"/api/two-lengths", b"/api/negative-length", b"/api/folded", b"/api/bare-lf", b"/api/null",
                     b"/api/other-coding", b"/api/switching", b"/api/garbage"):
            with self.subTest(path):
                answer = self.send(self.request(line=b"GET " + path + b" HTTP/1.1", fields=b"connection: close\r\n"))
                self.assertEqual(self.statuses(answer), [502])
                self.check_nothing_hidden(path)

    def test_what_an_answer_leaves_over_is_nobodys_10_4(self):
        for path, status in ((b"/api/204-with-body", 204), (b"/api/304-with-body", 304), (b"/api/longer-than-said", 200), (b"/api/after-last-chunk", 200)):
            with self.subTest(path):
                connections = self.app.accepted
                answer = self.send(self.request(line=b"GET " + path + b" HTTP/1.1", fields=b"connection: close\r\n"))
                self.assertEqual(self.statuses(answer), [status])
                self.assertNotIn(b"poison", answer)
                self.check_nothing_hidden(path)
                self.assertGreater(self.app.accepted, connections, "its connection was used again")

    def test_kept_connections_are_used_again(self):
        """Or the tests above prove nothing."""
        self.good()
        connections = self.app.accepted
        for _ in range(5):
            self.good()
        self.assertEqual(self.app.accepted, connections)


HEADERS, DATA, RST_STREAM, SETTINGS, GOAWAY = 1, 0, 3, 4, 7


class Downgrade(Smuggling):
    """HTTP/2 in, HTTP/1.1 out: frames by hand, since a library would not send these."""

    # What the base class tries is not tried again.
    locals().update({name: None for name in dir(Smuggling) if name.startswith("test_")})

    @staticmethod
    def frame(kind, flags, payload, stream=1):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    @staticmethod
    def block(fields):
        """Literals without indexing, RFC 7541 6.2.2."""
        def text(value):
            size, out = len(value), b""
            if size < 127:
                return bytes([size]) + value
            size, out = size - 127, b"\x7f"
            while size >= 128:
                out, size = out + bytes([size & 127 | 128]), size >> 7
            return out + bytes([size]) + value
        return b"".join(b"\0" + text(name) + text(value) for name, value in fields)

    def fields(self, over=(), method=b"POST", path=b"/api/turn", authority=b"game.example"):
        pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", authority)]
        return [field for field in pseudo if field[1] is not None] + [(b"authorization", b"Bearer " + self.token)] + list(over)

    def ask(self, fields, *bodies, trailers=None):
        """The status, or how the stream or the connection ended."""
        connection = self.connect()
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(SETTINGS, 0, b"", 0)
        data += self.frame(HEADERS, 4 if bodies else 5, self.block(fields))
        for body in bodies[:-1]:
            data += self.frame(DATA, 0, body)
        if bodies:
            data += self.frame(DATA, 0 if trailers else 1, bodies[-1])
        if trailers:
            data += self.frame(HEADERS, 5, self.block(trailers))
        connection.sendall(data)
        return self.outcome(connection)

    def outcome(self, connection):
        unread = b""
        while True:
            try:
                got = connection.recv(65536)
            except ConnectionError:
                return "lost"
            if not got:
                return "lost"
            unread += got
            while len(unread) >= 9 and len(unread) >= 9 + int.from_bytes(unread[:3], "big"):
                size, kind = int.from_bytes(unread[:3], "big"), unread[3]
                payload, unread = unread[9:9 + size], unread[9 + size:]
                if kind == RST_STREAM:
                    return "reset"
                if kind == GOAWAY:
                    return "lost"
                if kind == HEADERS:
                    return self.status_of(payload)

    @staticmethod
    def status_of(payload):
        """:status is the first field: indexed (RFC 7541 A, 8-14), or a literal with an indexed name."""
        if payload[0] & 0x80:
            return {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}[payload[0] & 0x7F]
        huffman, size = payload[1] & 0x80, payload[1] & 0x7F
        if not huffman:
            return int(payload[2:2 + size])
        # Digits in RFC 7541 B: 0-2 have 5 bits, 3-9 six.
        bits, digits, at = "".join("%08d" % int(bin(byte)[2:]) for byte in payload[2:2 + size]), "", 0
        while len(digits) < 3:
            if int(bits[at:at + 5], 2) < 3:
                digits, at = digits + str(int(bits[at:at + 5], 2)), at + 5
            else:
                digits, at = digits + str(int(bits[at:at + 6], 2) - 0x19 + 3), at + 6
        return int(digits)

    def test_a_good_request_goes_on_or_these_tests_prove_nothing(self):
        path = self.path()
        self.assertEqual(self.ask(self.fields(path=path), b"hello"), 200)
        (head,) = self.app.heads(path)
        self.assertEqual(re.findall(rb"(?i)\nhost: *(\S+)", head), [b"game.example"])

    def test_what_http_1_would_read_otherwise_is_refused_10_4(self):
        split = b"a\r\n\r\n" + HIDDEN
        attacks = {
            "transfer-encoding": self.fields([(b"transfer-encoding", b"chunked")]),
            "connection": self.fields([(b"connection", b"x")]),
            "keep-alive": self.fields([(b"keep-alive", b"x")]),
            "proxy-connection": self.fields([(b"proxy-connection", b"x")]),
            "upgrade": self.fields([(b"upgrade", b"x")]),
            "te": self.fields([(b"te", b"gzip")]),
            "CR LF in a value": self.fields([(b"x", split)]),
            "LF in a value": self.fields([(b"x", b"a\nb: c")]),
            "CR in a value": self.fields([(b"x", b"a\rb")]),
            "null in a value": self.fields([(b"x", b"a\0b")]),
            "CR LF in a name": self.fields([(b"x\r\ny", b"a")]),
            "a colon in a name": self.fields([(b"x: a\r\nhost", b"a")]),
            "a blank in a name": self.fields([(b"transfer-encoding ", b"chunked")]),
            "null in a name": self.fields([(b"x\0", b"a")]),
            "capitals in a name": self.fields([(b"Transfer-Encoding", b"chunked")]),
            "an empty name": self.fields([(b"", b"a")]),
            "a blank in the path": self.fields(path=b"/api/turn HTTP/1.1"),
            "CR LF in the path": self.fields(path=b"/api/turn HTTP/1.1\r\nHost: x\r\n\r\nGET /api/smuggled"),
            "a tab in the path": self.fields(path=b"/api/turn\tx"),
            "a fragment in the path": self.fields(path=b"/api/turn#x"),
            "a path without a slash": self.fields(path=b"api/turn"),
            "no path": self.fields(path=None),
            "an empty path": self.fields(path=b""),
            "CR LF in the method": self.fields(method=b"GET /api/smuggled HTTP/1.1\r\nx:"),
            "a blank in the method": self.fields(method=b"GET /api/smuggled"),
            "CR LF in the authority": self.fields(authority=b"a\r\nx: y"),
            "a blank in the authority": self.fields(authority=b"a b"),
            "a path in the authority": self.fields(authority=b"a/b"),
            "two paths": self.fields([])[:3] + [(b":path", b"/api/smuggled")] + self.fields([])[3:],
            "a pseudo-field behind the others": self.fields([(b":path", b"/api/smuggled")]),
            "an unknown pseudo-field": [(b":x", b"y")] + self.fields(),
            "two lengths": self.fields([(b"content-length", b"5"), (b"content-length", b"6")]),
            "a length with a sign": self.fields([(b"content-length", b"+5")]),
            "less than the length": self.fields([(b"content-length", b"4")]),
        }
        for name, fields in attacks.items():
            with self.subTest(name):
                self.assertIn(self.ask(fields, b"hello"), ("reset", "lost", 400))
                self.check_nothing_hidden(name)

    def test_more_than_there_is_cuts_the_application_off(self):
        """What has gone on by then is a part of one request, and stays one."""
        for name, fields, bodies in (("short", [(b"content-length", b"100")], (b"hello", b"x")), ("long", [(b"content-length", b"5")], (b"hello", HIDDEN))):
            with self.subTest(name):
                path = self.path()
                self.assertIn(self.ask(self.fields(fields, path=path), *bodies), ("reset", "lost", 400))
                self.check_nothing_hidden(name)
                self.assertLessEqual(len(self.app.heads(path)), 1)

    def test_trailers_of_http_2_go_on_in_chunks_but_for_those_that_mean_more_10_4(self):
        trailers = [(b"digest", b"two"), (b"x-galaxy-user-id", b"eve"), (b"content-type", b"eve")]
        self.assertEqual(self.ask(self.fields(path=self.path()), b"hello", trailers=trailers), 200)
        self.assertIn(b"5\r\nhello\r\n0\r\ndigest: two\r\n\r\n", self.app.bytes)
        self.assertNotIn(b"eve", self.app.bytes)
        for name, bad in (("a pseudo-field", [(b":path", b"/api/smuggled")]), ("a coding", [(b"transfer-encoding", b"chunked")]), ("CR LF", [(b"x", b"a\r\nb: c")])):
            with self.subTest(name):
                self.assertIn(self.ask(self.fields(path=self.path()), b"hello", trailers=bad), ("reset", "lost", 400))
                self.check_nothing_hidden(name)

    def test_a_host_that_is_not_the_authority_does_not_go_on(self):
        path = self.path()
        self.assertEqual(self.ask(self.fields([(b"host", b"other.example")], path=path), b"hello"), 200)
        (head,) = self.app.heads(path)
        self.assertEqual(re.findall(rb"(?i)\nhost: *(\S+)", head), [b"game.example"])

    def test_a_body_that_looks_like_chunks_stays_a_body(self):
        path = self.path()
        self.assertEqual(self.ask(self.fields(path=path), b"0\r\n\r\n" + HIDDEN), 200)
        self.assertEqual(len(self.app.heads(path)), 1)
        self.assertIn(b"\r\n%x\r\n0\r\n\r\nGET /api/smuggled" % (5 + len(HIDDEN)), self.app.bytes)


if __name__ == "__main__":
    unittest.main()
