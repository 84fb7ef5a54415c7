"""A TCP relay: another address of the same server, which can be killed, come back, and hold its breath."""
import asyncio, socket, struct, threading


class Relay:
    """Relays host:port to `target`. A context manager; runs on a thread of its own."""

    def __init__(self, target, host="127.0.0.1", port=0):
        self.target, self.host, self.port = target, host, port
        self.accepted = 0
        self.loop = asyncio.new_event_loop()
        self.server, self.writers = None, set()
        self.flows = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        try:
            self._run(self._listen())
        except OSError:
            self.close()
            raise

    @property
    def address(self):
        return "%s:%d" % (self.host, self.port)

    def kill(self):
        """Nobody listens any more and every connection is reset, as when a process is killed."""
        self._run(self._kill())

    def revive(self):
        self._run(self._listen())

    def hold(self):
        """Connections stay open, and no byte passes; resume() ends it."""
        self._run(self._hold())

    def resume(self):
        self._run(self._resume())

    def close(self):
        if self.server:
            self.kill()
        self._run(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _listen(self):
        self.flows.set()
        self.server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _kill(self):
        self.server.close()
        self.server = None
        for writer in list(self.writers):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.flows.set()

    async def _end(self):
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(tasks, timeout=5) if tasks else None

    async def _hold(self):
        self.flows.clear()

    async def _resume(self):
        self.flows.set()

    async def _serve(self, reader, writer):
        self.accepted += 1
        self.writers.add(writer)
        host, port = self.target.rsplit(":", 1)
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return self.writers.discard(writer)
        self.writers.add(far_writer)
        await asyncio.gather(self._pipe(reader, far_writer), self._pipe(far_reader, writer))
        self.writers -= {writer, far_writer}

    async def _pipe(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()
