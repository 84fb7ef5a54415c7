"""Producers and revokers that know several backends: each stays at one until that fails it, then goes to another."""
import http.client, json, random, time

import publishers
from publishers import Broken

TIMEOUT_S = 5  # for an answer of a backend, whatever becomes of it


class Choice:
    """The plane as one producer sees it: all of the plane's attributes, and one of its backends at a time."""

    def __init__(self, plane, name):
        self.plane, self.random = plane, random.Random("%s/%s/choice" % (plane.seed, name))
        self.node = self.random.choice(plane.backends)

    def __getattr__(self, name):
        return getattr(self.plane, name)

    @property
    def backend_address(self):
        return self.node.listen

    def move(self):
        self.node = self.random.choice([b for b in self.plane.backends if b is not self.node] or [self.node])


class Moving:
    """What both ways of publishing add: an event that is put off is sent again elsewhere."""

    def __init__(self, name, plane, pause_s):
        super().__init__(name, Choice(plane, name), pause_s)
        self.unwell = False

    def answered(self, item, begun, cursor, duplicate, error):
        self.unwell = self.unwell or error in publishers.RETRY
        super().answered(item, begun, cursor, duplicate, error)

    def send(self):
        self.unwell = False
        super().send()
        if self.unwell:
            raise Broken("put off by " + self.campaign.node.name)

    def failed(self):
        self.close()
        self.campaign.move()


class HttpProducer(Moving, publishers.HttpPublisher):
    pass


class GrpcProducer(Moving, publishers.GrpcPublisher):
    pass


class Revoker(publishers.Invalidator):
    def __init__(self, plane, pause_s):
        super().__init__(Choice(plane, "revoker"), pause_s)

    def _send(self, invalidate, user, session, reason):
        try:
            return post(self.campaign.backend_address, "/v1/invalidations", {"user_id": user, "device_session_id": session, "reason": reason})
        except (OSError, http.client.HTTPException, AssertionError):
            self.campaign.move()
            raise


def post(address, path, body, timeout_s=TIMEOUT_S):
    """The cursor of one entry, or AssertionError with what the backend said."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise AssertionError("HTTP %d %s" % (answer.status, text[:200]))
        return json.loads(text)["cursor"]
    finally:
        connection.close()


def post_somewhere(plane, path, body, seconds=40):
    """The same at whichever backend takes it."""
    end, n = time.monotonic() + seconds, 0
    while True:
        node = plane.backends[n % len(plane.backends)]
        n += 1
        try:
            return post(node.listen, path, body)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            if time.monotonic() > end:
                raise AssertionError("no backend takes it within %d s: %r" % (seconds, error))
            time.sleep(0.05)
