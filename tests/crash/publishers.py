"""Producers that publish all the time and write down what was acknowledged.

A batch whose answer never came is sent again with the same event_ids (semantics.md 2.2), unless the first
attempt lies so far back that the freshness window may have forgotten it: then it is given up, and must be in
the log at most once.
"""
import http.client, json, queue, random, threading, time

import harness
import grpc
import wire

push, publish = harness.messages("galaxy/backend/push/v1/push", "galaxy/backend/publish/v1/publish")
RETRY = {"unavailable", "resource_exhausted"}
# Calls wait for the connection: grpcio makes no progress on connecting while no call is open.
CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 1000),
           ("grpc.max_reconnect_backoff_ms", 300)]


class Broken(Exception):
    """The connection or the call ended; what has no answer may or may not be published."""


class Item:
    """One event on its way: what it is, when it was first sent, whether it was acknowledged before."""

    def __init__(self, event, conflict=False):
        self.event, self.conflict = event, conflict
        self.first = None  # when it was first sent, by any attempt
        self.attempts = 0


class Publisher(threading.Thread):
    """Events of one producer, one batch at a time. Subclasses know the way to the backend."""

    def __init__(self, name, campaign, pause_s):
        super().__init__(name=name, daemon=True)
        self.campaign, self.pause_s = campaign, pause_s
        self.random = random.Random("%s/%s" % (campaign.seed, name))
        self.record = campaign.history.sink("publisher-" + name)
        self.serial = 0
        self.waiting = []   # items without an answer, oldest first
        self.again = []     # (time, item): acknowledged ones that will be sent once more
        self.stopping = threading.Event()
        self.acknowledged = 0

    def run(self):
        while not self.stopping.is_set() or self.waiting:
            try:
                self._give_up()
                if not self.waiting:
                    self.waiting = self._batch()
                self._mark_sent()
                self.send()
                self.stopping.wait(self.pause_s * self.random.uniform(0, 2))
            except Broken as broken:
                self.record("broken", why=str(broken)[:120])
                self.failed()
                time.sleep(self.random.uniform(0.01, 0.1))
        self.close()

    def _batch(self):
        now = time.monotonic()
        due = [item for at, item in self.again if at <= now]
        self.again = [(at, item) for at, item in self.again if at > now]
        fresh = []
        for _ in range(self.random.choice([1, 1, 2, 5, 20])):
            fresh += self._events()
        return due + [Item(event) for event in fresh]

    def _events(self):
        """One event, now and then one logical event for several users: the same event_id for each of them."""
        self.serial += 1
        size = self.random.choice([0, 20, 100, 400, 400, 900]) if self.random.random() < 0.97 else 20_000
        payload = json.dumps({"n": self.serial, "by": self.name, "text": "é\U0001f680"[: self.random.randrange(3)], "pad": "x" * size}).encode()
        event = {"kind": self.random.choice(["game.turn.ready", "game.chat.message"]), "payload": payload, "id": "%s-%d" % (self.name, self.serial),
                 "request_id": "r-%d" % self.serial if self.serial % 3 else "", "trace_id": "t-%d" % self.serial if self.serial % 5 == 0 else ""}
        recipients = [self.campaign.population.recipient(self.random)]
        if self.random.random() < 0.05:
            recipients = [(user, "") for user in self.campaign.population.users]
        return [event | {"user": user, "session": session} for user, session in recipients]

    def _mark_sent(self):
        for item in self.waiting:
            event = item.event
            if item.attempts == 0 and item.first is None and not item.conflict:
                self.record("sent", user=event["user"], session=event["session"], id=event["id"], digest=wire.event_digest(**event))
            item.first = item.first or time.monotonic()
            item.attempts += 1

    def _give_up(self):
        oldest = time.monotonic() - self.campaign.retry_s
        for item in [i for i in self.waiting if i.first is not None and i.first < oldest]:
            self.record("given_up", user=item.event["user"], session=item.event["session"], id=item.event["id"])
            self.waiting.remove(item)

    def answered(self, item, begun, cursor, duplicate, error):
        """One result has come: record it before anything else."""
        event = item.event
        key = {"user": event["user"], "session": event["session"], "id": event["id"]}
        if error in RETRY:
            self.record("put_off", error=error, **key)
            return
        self.waiting.remove(item)
        if item.conflict:
            self.record("conflict", error=error, cursor=cursor, **key)
        elif error:
            self.record("refused", error=error, **key)
        else:
            self.record("ack", cursor=cursor, duplicate=duplicate, begun=round(begun, 6), attempts=item.attempts, **key)
            self.acknowledged += 1
            self._maybe_again(item)

    def _maybe_again(self, item):
        pick = self.random.random()
        if pick > 0.06 or item.conflict:
            return
        at = time.monotonic() + self.random.uniform(0, self.campaign.retry_s / 2)
        if pick < 0.01:
            item = Item(item.event | {"payload": b'{"another":"payload"}'}, conflict=True)
            item.first = time.monotonic()
        self.again.append((at, item))

    def send(self):
        raise NotImplementedError

    def failed(self):
        """After each attempt that broke; who knows several backends goes to another here."""

    def close(self):
        pass


class HttpPublisher(Publisher):
    """POST /v1/events with NDJSON on a connection that is kept."""

    connection = None

    def send(self):
        host, port = self.campaign.backend_address.rsplit(":", 1)
        body = b"\n".join(self._line(item.event) for item in self.waiting)
        begun = time.monotonic()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(host, int(port), timeout=10)
            self.connection.request("POST", "/v1/events", body, {"content-type": "application/x-ndjson"})
            answer = self.connection.getresponse()
            text = answer.read()
            self.campaign.backend.spring()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(repr(error))
        if answer.status in (429, 503):
            raise Broken("HTTP %d" % answer.status)
        if answer.status != 200:
            raise AssertionError("publish: HTTP %d %r" % (answer.status, text[:300]))
        results = [json.loads(line) for line in text.splitlines()]
        if len(results) != len(self.waiting):
            raise AssertionError("%d results for %d events" % (len(results), len(self.waiting)))
        for item, result in zip(list(self.waiting), results):
            self.answered(item, begun, result.get("cursor"), result.get("duplicate"), result.get("error", {}).get("code"))

    @staticmethod
    def _line(event):
        members = {"user_id": event["user"], "device_session_id": event["session"], "kind": event["kind"], "event_id": event["id"],
                   "request_id": event["request_id"], "trace_id": event["trace_id"]}
        # The payload's bytes travel as they are.
        return json.dumps(members, ensure_ascii=False).encode()[:-1] + b', "payload": ' + event["payload"] + b"}"

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class GrpcPublisher(Publisher):
    """PublishStream with grpcio, the results of a batch in flight together."""

    call = None
    channel = None

    def send(self):
        begun = time.monotonic()
        try:
            if self.call is None:
                self._open()
            for item in self.waiting:
                self.outgoing.put(publish.PublishStreamRequest(event=self._message(item.event)))
            for item in list(self.waiting):
                result = next(self.call)
                self.campaign.backend.spring()
                self.answered(item, begun, result.cursor, result.duplicate, result.error.code)
        except (grpc.RpcError, StopIteration) as error:
            self.close()
            raise Broken(repr(error))

    def _open(self):
        """Connects first: an event that waits in the library for a connection would be sent at an unknown time."""
        self.outgoing = queue.Queue()
        self.channel = grpc.insecure_channel(self.campaign.backend_address, options=CHANNEL)
        try:
            grpc.channel_ready_future(self.channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            self.channel.close()
            raise Broken("no connection")
        method = self.channel.stream_stream("/galaxy.backend.publish.v1.Publisher/PublishStream",
                                            publish.PublishStreamRequest.SerializeToString, publish.PublishResult.FromString)
        self.call = method(iter(self.outgoing.get, None))

    @staticmethod
    def _message(event):
        return push.ClientEvent(user_id=event["user"], device_session_id=event["session"], kind=event["kind"], payload=event["payload"],
                                event_id=event["id"], request_id=event["request_id"], trace_id=event["trace_id"])

    def close(self):
        if self.call is not None:
            self.outgoing.put(None)
            self.call.cancel()
            self.channel.close()
            self.call = None


class Invalidator(threading.Thread):
    """Revokes named sessions and, now and then, whole users. An attempt without an answer is repeated under another
    reason: an invalidation has no idempotency key, each attempt must be in the log at most once."""

    def __init__(self, campaign, pause_s):
        super().__init__(name="invalidator", daemon=True)
        self.campaign, self.pause_s = campaign, pause_s
        self.random = random.Random("%s/invalidator" % campaign.seed)
        self.record = campaign.history.sink("publisher-invalidator")
        self.stopping = threading.Event()
        self.serial = 0
        self.acknowledged = 0

    def run(self):
        channel = grpc.insecure_channel(self.campaign.backend_address, options=CHANNEL)
        invalidate = channel.unary_unary("/galaxy.backend.publish.v1.Publisher/Invalidate",
                                         publish.InvalidateRequest.SerializeToString, publish.InvalidateResponse.FromString)
        while not self.stopping.wait(self.pause_s * self.random.uniform(0.2, 1.8)):
            victim = self.campaign.population.victim(self.random)
            if victim is None:
                continue
            user, session = victim if self.random.random() < 0.8 else (victim[0], "")
            while not self._attempt(invalidate, user, session) and not self.stopping.is_set():
                time.sleep(0.03)
        channel.close()

    def _attempt(self, invalidate, user, session):
        self.serial += 1
        reason = "i-%d" % self.serial
        self.record("sent", user=user, session=session, id=reason, digest=wire.invalidation_digest(user, session, reason))
        begun = time.monotonic()
        try:
            cursor = self._send(invalidate, user, session, reason)
        except (OSError, http.client.HTTPException, grpc.RpcError, AssertionError) as error:
            self.record("broken", why=repr(error)[:120])
            return False
        self.record("ack", user=user, session=session, id=reason, cursor=cursor, duplicate=False, begun=round(begun, 6), attempts=1)
        self.acknowledged += 1
        return True

    def _send(self, invalidate, user, session, reason):
        """Returns the cursor; raises when there is no good answer."""
        if self.serial % 2:
            return harness.invalidate(self.campaign.backend_address, user_id=user, device_session_id=session, reason=reason)
        message = push.SessionInvalidation(user_id=user, device_session_id=session, reason=reason)
        return invalidate(publish.InvalidateRequest(invalidation=message), timeout=10, wait_for_ready=True).cursor
