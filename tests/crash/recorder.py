"""A subscriber that is not ours (grpcio) and resumes by its cursor: what the backend says its log is."""
import threading, time

import harness
import grpc
import wire
from publishers import CHANNEL

push = harness.messages("galaxy/backend/push/v1/push")


class Recorder(threading.Thread):
    """Records every entry of every stream in its raw bytes' digest, and how each stream began."""

    def __init__(self, campaign):
        super().__init__(name="recorder", daemon=True)
        self.campaign = campaign
        self.record = campaign.history.sink("recorder")
        self.cursor = ""
        self.stopping = threading.Event()
        self.call = None

    def run(self):
        channel = grpc.insecure_channel(self.campaign.backend_address, options=CHANNEL)
        method = channel.unary_stream("/galaxy.backend.push.v1.Push/SubscribePush", push.GatewaySubscribeRequest.SerializeToString, lambda raw: raw)
        while not self.stopping.is_set():
            self.call = method(push.GatewaySubscribeRequest(gateway_client_id="recorder", cursor=self.cursor), wait_for_ready=True)
            try:
                self._opened({key: value for key, value in self.call.initial_metadata()})
                for raw in self.call:
                    entry = wire.decode(raw)
                    self.cursor = entry.cursor
                    self.record("entry", **entry.record())
            except grpc.RpcError as error:
                self.record("end", code=str(error.code()), why=str(error.details())[:200])
                time.sleep(0.03)
        channel.close()

    def _opened(self, metadata):
        if "push-resume" not in metadata:
            return
        self.record("stream", cursor=self.cursor, resume=metadata["push-resume"], reason=metadata.get("push-resume-reason", ""),
                    start=metadata["push-start-cursor"], head=metadata["push-head-cursor"], generation=int(metadata["push-generation"]))
        self.cursor = self.cursor or metadata["push-start-cursor"]

    def end(self):
        self.stopping.set()
        if self.call is not None:
            self.call.cancel()
