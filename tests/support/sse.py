"""A client of the gateway's SSE edge with nothing but the standard library."""
import http.client, json
import harness


class SseClient:
    def __init__(self, address, token, cursor=None):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=harness.DEADLINE_S)
        headers = {"accept": "text/event-stream", "authorization": "Bearer " + token}
        if cursor:
            headers["last-event-id"] = cursor
        self.connection.request("GET", "/v1/events", headers=headers)
        self.answer = self.connection.getresponse()

    @property
    def status(self):
        return self.answer.status

    def frame(self):
        """The next frame; an AssertionError when the stream has ended."""
        while True:
            line = self.answer.readline()
            if not line:
                raise AssertionError("the SSE stream ended")
            if line.startswith(b"data:"):
                return json.loads(line[5:])

    def until(self, name):
        while True:
            frame = self.frame()
            if name in frame:
                return frame[name]

    def close(self):
        self.connection.close()
