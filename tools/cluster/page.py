"""The page of `make cluster`: the files of web/ and the API of web/README.md, with what the plane's processes do.

It hands out tokens and kills processes, so it is for loopback only: the Host of a request must be this very address,
an Origin this page's.
"""
import http.server, json, mimetypes, pathlib, threading, urllib.parse, uuid

from plane import PLANE, ROOT, USER

DEVICES = [{"session": "bridge-tablet", "name": "Bridge tablet"}, {"session": "pocket-phone", "name": "Pocket phone"}]
KINDS = ["game.turn.ready", "game.fleet.arrived", "game.battle.report", "game.chat.message"]
BODY_BYTES_MAX = 1 << 20
SESSIONS_MAX = 1000
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".svg": "image/svg+xml"}


class Refused(Exception):
    def __init__(self, status, title):
        super().__init__(title)
        self.status, self.title = status, title


class Page(http.server.ThreadingHTTPServer):
    """`look()`: the newest state of the plane; `say(sentence)`: tells the terminal."""

    daemon_threads = True

    def __init__(self, host, port, look, say):
        super().__init__((host, port), Handler)
        self.plane, self.look, self.say = None, look, say
        self.sessions, self.lock = {d["session"] for d in DEVICES}, threading.Lock()
        self.port = self.server_address[1]

    @property
    def url(self):
        return "http://127.0.0.1:%d/" % self.port

    @property
    def origins(self):
        return ["http://%s:%d" % (host, self.port) for host in ("127.0.0.1", "localhost")]

    def policy(self):
        at = " ".join("http://%s ws://%s" % (g.listen, g.listen) for g in self.plane.gateways)
        return ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' %s; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" % at)

    # The answers: (status, value or bytes).
    def config(self):
        gateways = ["http://" + g.listen for g in self.plane.gateways]
        devices = [device | {"gateway": gateways[n % len(gateways)], "gateway_name": self.plane.gateways[n % len(gateways)].name} for n, device in enumerate(DEVICES)]
        return 200, {"gateway": gateways[0], "plane": PLANE, "user": USER, "devices": devices, "kinds": KINDS, "cluster": True}

    def token(self, body):
        session = body.get("session")
        with self.lock:
            if session == "new":
                if len(self.sessions) >= SESSIONS_MAX:
                    raise Refused(429, "too many sign-ins")
                session = str(uuid.uuid4())
                self.sessions.add(session)
            elif session not in self.sessions:
                raise Refused(404, "there is no such session")
        return 200, {"token": self.plane.token(session), "session": session}

    def act(self, body):
        try:
            sentence = self.plane.act(body.get("name"), body.get("do"))
        except ValueError as error:
            raise Refused(400, str(error))
        self.say(sentence)
        return 200, {"sentence": sentence}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def _get(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/demo/config.json":
            return self.server.config()
        if path == "/demo/cluster":
            return 200, self.server.look()
        return self._file(path)

    def _post(self):
        if self.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refused(415, "send application/json")
        length = int(self.headers.get("content-length", "0"))
        if length > BODY_BYTES_MAX:
            raise Refused(413, "a body is at most 1 MiB here")
        raw = self.rfile.read(length)
        forward = {"/demo/events": "/v1/events", "/demo/invalidations": "/v1/invalidations"}.get(self.path)
        if forward:
            return self.server.plane.post(forward, raw)
        answer = {"/demo/token": self.server.token, "/demo/cluster": self.server.act}.get(self.path)
        if answer is None:
            raise Refused(404, "there is nothing here")
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "send a JSON object")
        return answer(body)

    def _file(self, path):
        base, name = (ROOT / "sdk/js/src", path[len("/sdk/"):]) if path.startswith("/sdk/") else (ROOT / "web", path[1:] or "index.html")
        file = base / name
        if "/" in name or file.suffix not in TYPES or not file.is_file():
            raise Refused(404, "there is nothing here")
        return 200, (TYPES[file.suffix], file.read_bytes())

    def _answer(self, way):
        try:
            self._check_caller()
            status, value = way()
        except Refused as refused:
            self.close_connection = True
            status, value = refused.status, {"title": refused.title, "status": refused.status}
        except Exception as error:  # whatever it is, the page shows it
            self.close_connection = True
            status, value = 500, {"title": repr(error)[:200], "status": 500}
        kind, data = value if isinstance(value, tuple) else ("application/json", value if isinstance(value, bytes) else json.dumps(value).encode())
        self.send_response(status)
        for name, text in (("content-type", kind), ("content-length", str(len(data))), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"),
                           ("content-security-policy", self.server.policy()), ("referrer-policy", "no-referrer"), ("cross-origin-resource-policy", "same-origin")):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _check_caller(self):
        """A name that was rebound to this address, or another page, gets nothing."""
        hosts = ["%s:%d" % (host, self.server.port) for host in ("127.0.0.1", "localhost")]
        if self.headers.get("host") not in hosts:
            raise Refused(403, "this page is for loopback only")
        if self.headers.get("origin") not in (None, *self.server.origins):
            raise Refused(403, "the request comes from another page")
