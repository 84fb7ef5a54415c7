"""A subscriber that is not ours (grpcio) and resumes by its cursor: what the backend says its log is."""
import threading, time

import harness
import grpc
import wire
from publishers import CHANNEL

push = harness.messages("galaxy/backend/push/v1/push")


class Recorder(threading.Thread):
    """Records every entry of every stream in its raw bytes' digest, and how each stream began.

    `address()` names the backend of the next stream: of several backends one may have a recorder of its own, and
    another recorder may move about.
    """

    def __init__(self, campaign, name="recorder", address=None):
        super().__init__(name=name, daemon=True)
        self.address = address or (lambda: campaign.backend_address)
        self.sink = campaign.history.sink(name)
        self.cursor = ""
        self.stopping = threading.Event()
        self.call = None

    def record(self, what, **fields):
        self.sink(what, recorder=self.name, **fields)

    def run(self):
        while not self.stopping.is_set():
            with grpc.insecure_channel(self.address(), options=CHANNEL) as channel:
                try:
                    self._stream(channel)
                except grpc.RpcError as error:
                    self.record("end", code=str(error.code()), why=str(error.details())[:200])
                    time.sleep(0.03)

    def _stream(self, channel):
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return
        method = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush", push.GatewaySubscribeRequest.SerializeToString, lambda raw: raw)
        self.call = method(push.GatewaySubscribeRequest(gateway_client_id=self.name, cursor=self.cursor))
        self._opened({key: value for key, value in self.call.initial_metadata()})
        for raw in self.call:
            entry = wire.decode(raw)
            self.cursor = entry.cursor
            self.record("entry", **entry.record())

    def _opened(self, metadata):
        if "push-resume" not in metadata:
            return
        self.record("stream", cursor=self.cursor, resume=metadata["push-resume"], reason=metadata.get("push-resume-reason", ""),
                    start=metadata["push-start-cursor"], head=metadata["push-head-cursor"], generation=int(metadata["push-generation"]))
        self.cursor = self.cursor or metadata["push-start-cursor"]

    def move(self):
        """Ends the stream; the next one goes where `address()` says then."""
        if self.call is not None:
            self.call.cancel()

    def end(self):
        self.stopping.set()
        self.move()
