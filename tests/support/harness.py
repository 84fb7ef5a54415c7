"""What the tests share that drive the built program from outside: processes, ready files, keys, waiting.

Needs Debian's python3-grpcio, python3-protobuf and python3-cryptography, so run it with /usr/bin/python3.
GALAXY_PUSH names the binary; GALAXY_BUILD the build folder, under which the generated messages are put.
"""
import base64, contextlib, http.client, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.parse
import importlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("GALAXY_PUSH", str(ROOT / "build" / "galaxy-push"))
BUILD = pathlib.Path(os.environ.get("GALAXY_BUILD", str(ROOT / "build")))
DEADLINE_S = 30


def wait_for(what, condition, seconds=DEADLINE_S):
    """Returns the first truthy value of `condition()`; fails with `what` after the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %s s: %s" % (seconds, what))
        time.sleep(0.01)


def messages(*names):
    """The generated Python modules of proto/, e.g. messages("galaxy/backend/push/v1/push")."""
    out = BUILD / "python"
    for name in names:
        target = out / (name + "_pb2.py")
        if not target.exists() or target.stat().st_mtime < (ROOT / "proto" / (name + ".proto")).stat().st_mtime:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=out) as scratch:
                subprocess.run(["protoc", "-I", str(ROOT / "proto"), "--python_out", scratch, name + ".proto"], check=True)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(pathlib.Path(scratch) / (name + "_pb2.py"), target)
    if str(out) not in sys.path:
        sys.path.insert(0, str(out))
    importlib.invalidate_caches()
    if any(name.startswith("grpc/") for name in names):
        import grpc  # the library's package of that name is made to hold our generated modules, too
        if str(out / "grpc") not in grpc.__path__:
            grpc.__path__.append(str(out / "grpc"))
    modules = [importlib.import_module(name.replace("/", ".") + "_pb2") for name in names]
    return modules[0] if len(modules) == 1 else modules


class Process:
    """A subcommand of the binary that writes a ready file. A context manager; ends what it started."""

    def __init__(self, *arguments, ready=True, under=()):
        """`under`: the command line before the binary's."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="galaxy-test-"))
        self.arguments = [*map(str, under), BINARY, *map(str, arguments)]
        self.ready_file = self.folder / "ready.json"
        if ready:
            self.arguments += ["--ready-file", str(self.ready_file)]
        self.log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.addresses = None
        if ready:
            try:
                wait_for("ready file of %s\n%s" % (self.arguments, self.output()), self._ready)
            except AssertionError:
                text = self.output()
                self.stop(signal.SIGKILL)
                raise AssertionError("did not become ready: %s\n%s" % (" ".join(self.arguments), text))

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError("exited with %s: %s\n%s" % (self.process.returncode, " ".join(self.arguments), self.output()))
        if self.ready_file.exists():
            self.addresses = json.loads(self.ready_file.read_text())
        return self.addresses

    def output(self):
        return (self.folder / "log").read_text(errors="replace")

    @property
    def listen(self):
        return self.addresses["listen"]

    @property
    def admin(self):
        return self.addresses["admin"]

    def metric(self, name, labels=""):
        """The value of one sample of /metrics, None when it is not there. `labels` is a part of the label set."""
        for line in get(self.admin, "/metrics").text.splitlines():
            if line.startswith(name) and line[len(name)] in " {" and labels in line:
                return float(line.rsplit(" ", 1)[1])
        return None

    def ready_now(self):
        return get(self.admin, "/readyz").status == 200

    def terminate(self, seconds=20):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.stop(signal.SIGKILL)
        if kind is not None:
            sys.stderr.write("--- %s\n%s\n" % (" ".join(self.arguments), self.output()[-6000:]))
        shutil.rmtree(self.folder, ignore_errors=True)


def backend(*arguments, listen="127.0.0.1:0", data=None):
    """With `data`, a folder, its log is durable."""
    engine = ["--engine", "sqlite", "--data", data] if data else ["--engine", "memory"]
    return Process("backend", "--listen", listen, "--admin", "127.0.0.1:0", *engine, *arguments)


class Keys:
    """A signing key for client tokens and the JWKS file a gateway reads. Made without the project's own code."""

    ISSUER, AUDIENCE = "https://login.example", "galaxy"

    def __init__(self, folder, algorithm="EdDSA"):
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        self.algorithm = algorithm
        self.kid = "test-" + algorithm
        if algorithm == "EdDSA":
            self.key = ed25519.Ed25519PrivateKey.generate()
        elif algorithm == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = rsa.generate_private_key(65537, 2048)
        self.jwks = pathlib.Path(folder) / ("jwks-%s.json" % algorithm)
        self.jwks.write_text(json.dumps({"keys": [self.public_jwk()]}))

    def public_jwk(self):
        from cryptography.hazmat.primitives import serialization
        jwk = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        public = self.key.public_key()
        if self.algorithm == "EdDSA":
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return jwk | {"kty": "OKP", "crv": "Ed25519", "x": b64u(raw)}
        numbers = public.public_numbers()
        if self.algorithm == "ES256":
            return jwk | {"kty": "EC", "crv": "P-256", "x": b64u(numbers.x.to_bytes(32, "big")), "y": b64u(numbers.y.to_bytes(32, "big"))}
        return jwk | {"kty": "RSA", "n": b64u(numbers.n.to_bytes(256, "big")), "e": b64u(numbers.e.to_bytes(3, "big"))}

    def claims(self, user, session, **over):
        now = int(time.time())
        claims = {"iss": self.ISSUER, "aud": self.AUDIENCE, "sub": user, "sid": session, "iat": now, "exp": now + 3600}
        claims.update(over)
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, user, session, header=None, **over):
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | (header or {})
        return self.sign(head, self.claims(user, session, **over))

    def sign(self, head, claims):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
        text = b64u(json.dumps(head).encode()) + "." + b64u(json.dumps(claims).encode())
        if self.algorithm == "EdDSA":
            signature = self.key.sign(text.encode())
        elif self.algorithm == "ES256":
            r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        elif self.algorithm == "RS256":
            signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self.key.sign(text.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return text + "." + b64u(signature)


def gateway(backend_address, keys, data, *arguments, id="gw-1", plane="galaxy", listen="127.0.0.1:0", under=()):
    return Process("gateway", "--id", id, "--backend", backend_address, "--listen", listen, "--admin", "127.0.0.1:0",
                   "--data", data, "--jwks", keys.jwks, "--issuer", keys.ISSUER, "--audience", keys.AUDIENCE,
                   "--plane", plane, *arguments, under=under)


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines()]


def request(method, address, path, body=None, headers=None):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def get(address, path, headers=None):
    return request("GET", address, path, None, headers)


def post(address, path, value, content_type="application/json"):
    body = value if isinstance(value, (bytes, str)) else json.dumps(value)
    return request("POST", address, path, body.encode() if isinstance(body, str) else body, {"content-type": content_type})


def publish(backend_address, **event):
    """Publishes one event over HTTP and returns its cursor."""
    event.setdefault("kind", "game.turn.ready")
    event.setdefault("payload", {})
    answer = post(backend_address, "/v1/events", event)
    if answer.status != 200:
        raise AssertionError("publish: %s %s" % (answer.status, answer.text))
    return answer.json["cursor"]


def invalidate(backend_address, **invalidation):
    answer = post(backend_address, "/v1/invalidations", invalidation)
    if answer.status != 200:
        raise AssertionError("invalidate: %s %s" % (answer.status, answer.text))
    return answer.json["cursor"]


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="galaxy-test-")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
