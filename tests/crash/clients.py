"""Clients that stay connected through everything, verify each envelope and write down what they saw.

They judge nothing but signatures: order, completeness and revocation are the judge's, who knows the log.
"""
import base64, itertools, json, pathlib, random, socket, subprocess, sys, threading, time

import harness
import population as people
import wire
from websocket import Closed, Refused, WebSocketClient

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance" / "envelope"))
import reference

GONE = (OSError, Closed, ValueError)
connections = itertools.count(1)


class Connection:
    """One connection of one credential at one gateway, all of whose frames are recorded."""

    def __init__(self, campaign, record, gateway, user, session, iat, cursor, probe=False, t=None):
        self.campaign, self.record, self.id = campaign, record, next(connections)
        self.cursor, self.bye, self.socket, self.stop = cursor, None, None, lambda: False
        record("connect", c=self.id, g=gateway.name, user=user, session=session, iat=iat, cursor=cursor or "", probe=probe)
        token = campaign.keys.token(user, session, iat=iat, exp=iat + 86400)
        try:
            self.socket = WebSocketClient(gateway.listen, token, cursor)
        except Refused as refused:
            self._end("HTTP %d" % refused.status)
            raise
        except GONE as error:
            self._end(repr(error)[:80])
            raise

    def frames(self):
        """Yields the kind of each frame; ends with the connection, or when `stop()` says so."""
        try:
            while not self.stop():
                try:
                    frame = self.socket.frame()
                except socket.timeout:
                    yield "nothing"
                    continue
                (kind, body), = frame.items()
                getattr(self, "_" + kind)(body)
                yield kind
                if kind == "bye":
                    break
            self._end("bye" if self.bye else "left")
        except GONE as error:
            self._end(repr(error)[:80])
        finally:
            self.socket.close()

    def _end(self, why):
        self.record("end", c=self.id, why=why)

    def _welcome(self, body):
        if body["resume"] != "resumed":
            self.cursor = body["head"]
        self.record("welcome", c=self.id, resume=body["resume"], reason=body.get("reason", ""), head=body["head"])

    def _event(self, body):
        try:
            payload = reference.verify(body, self.campaign.jwks, "galaxy")
        except Exception as error:  # whatever is wrong with it, it is not a verified event
            self.record("unverified", c=self.id, cursor=str(body.get("cursor")), why=repr(error))
            return
        self.cursor = body["cursor"]
        seen = wire.event_digest(body["user_id"], body.get("device_session_id", ""), body["kind"], payload, body.get("event_id", ""),
                                 body.get("request_id", ""), body.get("trace_id", ""))
        self.record("event", c=self.id, cursor=body["cursor"], id=body.get("event_id", ""), digest=seen)

    def _position(self, body):
        self.cursor = body["cursor"]
        self.record("position", c=self.id, cursor=body["cursor"])

    def _caught_up(self, body):
        self.record("caught_up", c=self.id, cursor=body["cursor"])

    def _gap(self, body):
        self.cursor = body["head"]
        self.record("gap", c=self.id, reason=body["reason"], head=body["head"])

    def _bye(self, body):
        self.bye = body
        self.record("bye", c=self.id, code=body["code"], verdict=body["verdict"], reason=body.get("reason", ""))


class SessionClient(threading.Thread):
    """One session for as long as it may: moves between gateways, resumes, signs in again when the user was revoked, and
    makes room for a new session when it was revoked itself."""

    def __init__(self, campaign, user, session):
        super().__init__(name="client-%s" % session, daemon=True)
        self.campaign, self.user, self.session = campaign, user, session
        self.random = random.Random("%s/%s" % (campaign.seed, session))
        self.record = campaign.history.sink("client-%s-%s" % (user, session))
        self.iat = int(time.time())
        self.cursor = None
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            gateway = self.random.choice(self.campaign.gateways)
            try:
                connection = Connection(self.campaign, self.record, gateway, self.user, self.session, self.iat, self.cursor)
            except (*GONE, Refused):
                time.sleep(self.random.uniform(0.02, 0.15))
                continue
            self._stay(connection)
            self.cursor = connection.cursor
            if connection.bye and not self._after(connection.bye):
                return

    def _stay(self, connection):
        leave = time.monotonic() + self.random.choice([0.3, 2, 8, 60]) * self.random.random()
        connection.stop = lambda: self.stopping.is_set() or (time.monotonic() > leave and not self.campaign.settling)
        for _ in connection.frames():
            self.cursor = connection.cursor

    def _after(self, bye):
        """Whether the session goes on."""
        if bye["verdict"] == "resume":
            time.sleep(self.random.uniform(0.02, 0.2))
            return True
        self.campaign.population.gone(self.user, self.session, self.iat)
        if bye["verdict"] == "never":
            if self.campaign.population.leave(self.session):
                self.campaign.sign_in(self.user)
            return False
        people.next_second()
        self.iat = int(time.time())
        return True


class Prober(threading.Thread):
    """Tries revoked credentials at any gateway at any time."""

    def __init__(self, campaign, pause_s):
        super().__init__(name="prober", daemon=True)
        self.campaign, self.pause_s = campaign, pause_s
        self.random = random.Random("%s/prober" % campaign.seed)
        self.record = campaign.history.sink("client-prober")
        self.stopping = threading.Event()
        self.tried = 0

    def run(self):
        while not self.stopping.wait(self.pause_s * self.random.uniform(0, 2)):
            for credential in self.campaign.population.some_revoked(self.random, 1):
                self.probe(self.random.choice(self.campaign.gateways), credential)

    def probe(self, gateway, credential):
        """"refused", "admitted", "later" (a retryable refusal) or "away"."""
        self.tried += 1
        user, session, iat = credential
        try:
            connection = Connection(self.campaign, self.record, gateway, user, session, iat, None, probe=True)
        except (*GONE, Refused):
            return "away"
        outcome = "away"
        until = time.monotonic() + 2
        connection.stop = lambda: time.monotonic() > until or outcome == "admitted"
        for kind in connection.frames():
            if kind == "welcome":
                outcome = "admitted"
            elif kind == "bye":
                outcome = "refused" if connection.bye["code"] == 4503 else "later"
        return outcome


class Listener:
    """A `galaxy-push listen`: the project's own client library, which resumes by itself at the one gateway it knows."""

    def __init__(self, campaign, gateway, user, session):
        folder = campaign.folder / ("listen-%s" % user)
        folder.mkdir()
        self.user, self.session = user, session
        self.out, self.err = folder / "out.ndjson", folder / "err"
        (folder / "token").write_text(campaign.keys.token(user, session, exp=int(time.time()) + 86400))
        (folder / "jwks").write_text(json.dumps(campaign.jwks))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [harness.BINARY, "listen", "--url", "ws://%s/v1/events" % gateway.listen, "--token-file", str(folder / "token"), "--jwks", str(folder / "jwks")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def connected(self):
        return "connected as" in self.err.read_text(errors="replace")

    def has(self, event_id):
        return ('"%s"' % event_id).encode() in self.out.read_bytes()[-65536:]

    def history(self):
        """(events as they were printed, gaps that were told, events that did not verify)."""
        events = []
        for line in self.out.read_text().splitlines():
            e = json.loads(line)
            payload = e["payload"].encode() if "payload" in e else base64.b64decode(e["payload_b64"])
            events.append({"cursor": e["cursor"], "verified": e["verified"], "digest": wire.event_digest(
                e["user_id"], e.get("device_session_id", ""), e["kind"], payload, e.get("event_id", ""), e.get("request_id", ""), e.get("trace_id", ""))})
        text = self.err.read_text(errors="replace")
        return events, text.count(": gap ("), text.count("NOT VERIFIED")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
