// A gateway in one object, after docs/edge-protocol.md: WebSocket and SSE, welcome, replay, position, gap, refresh and
// bye, with faults on demand. It keeps every entry, has no feed, and checks of a token only what the tests need.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { newKey, signBatch, signToken } from "./signer.js";

const kByes = {
  unauthenticated: { code: 4501, verdict: "reauthenticate", status: 401 },
  token_expired: { code: 4502, verdict: "reauthenticate", status: 401 },
  session_revoked: { code: 4503, verdict: "never", status: 401 },
  too_many: { code: 4429, verdict: "resume", status: 429 },
  stale: { code: 4453, verdict: "resume", status: 503 },
  bad_request: { code: 4500, verdict: "never", status: 400 },
  drain: { code: 1001, verdict: "resume", status: 503 },
};

export class FakeGateway {
  constructor({ plane = "galaxy", heartbeat_ms = 25_000, token_life_ms = 3_600_000, now = Date.now } = {}) {
    Object.assign(this, { plane, heartbeat_ms, token_life_ms, now });
    this.key = newKey();
    this.token_key = newKey();
    this.entries = [];
    this.evicted_before = 0;
    this.connections = new Set();
    this.revoked = new Map();     // session or "" + user → {reason, at_s}
    this.connects = [];           // {transport, cursor, token, url} of every attempt
    this.jwks_requests = 0;
    this.refresh_frames = [];
    this.tamper = null;           // (envelope, connection) => envelope, before it is sent
    this.refuse = [];             // names of kByes that the next connects get
    this.refuse_websocket = false; // as a proxy that knows no upgrade would
    this.next = BigInt(now()) << 16n;
    this.base = this.newCursor();  // the head of an empty log is a place to resume at, too
    this.server = createServer((request, response) => this.request(request, response));
    this.sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "galaxy.push.v1" });
    this.server.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    this.heartbeat = setInterval(() => this.position(), this.heartbeat_ms);
    return this;
  }

  async close() {
    clearInterval(this.heartbeat);
    for (const connection of this.connections) connection.drop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  token(user, session, { life_ms = this.token_life_ms } = {}) {
    const now_s = Math.floor(this.now() / 1000);
    return signToken(this.token_key, { sub: user, sid: session, iat: now_s, auth_time_ms: this.now(), exp: (this.now() + life_ms) / 1000 });
  }

  // Publishing ------------------------------------------------------------------------------------------------------

  get head() {
    return this.entries.at(-1)?.cursor ?? this.base;
  }

  newCursor() {
    return `${(this.next++).toString(16).padStart(16, "0")}-${this.now().toString(16).padStart(12, "0")}`;
  }

  /** One event or several as one signed batch. */
  publish(...events) {
    const batch = events.map((event) => ({ event_id: `e-${this.entries.length}`, ...event, cursor: this.newCursor() }));
    this.entries.push(...batch);
    for (const connection of this.connections) connection.deliver(batch.filter((event) => connection.wants(event)));
    return batch.map(({ cursor }) => ({ cursor, duplicate: false }));
  }

  invalidate({ user_id, device_session_id = "", reason = "" }) {
    const cursor = this.newCursor();
    this.entries.push({ cursor, invalidation: true });
    this.revoked.set(device_session_id || `user ${user_id}`, { reason, at_ms: this.now() });
    for (const connection of [...this.connections])
      if (connection.user === user_id && (!device_session_id || connection.session === device_session_id))
        connection.bye("session_revoked", { reason, verdict: device_session_id ? "never" : "reauthenticate" });
    return { cursor };
  }

  position() {
    for (const connection of this.connections) connection.send({ position: { cursor: this.head } });
  }

  gap(reason = "evicted", spread_ms = 0) {
    for (const connection of this.connections) connection.send({ gap: { reason, head: this.head, spread_ms } });
  }

  // Connections -----------------------------------------------------------------------------------------------------

  cors(request) {
    return { "access-control-allow-origin": request.headers.origin ?? "*", "access-control-expose-headers": "Retry-After", vary: "Origin" };
  }

  request(request, response) {
    const url = new URL(request.url, this.url);
    if (request.method === "OPTIONS")
      return response.writeHead(204, { ...this.cors(request), "access-control-allow-headers": "authorization, last-event-id, content-type",
        "access-control-allow-methods": "GET, POST" }).end();
    if (url.pathname === "/.well-known/jwks.json") {
      this.jwks_requests++;
      return response.writeHead(200, { ...this.cors(request), "content-type": "application/jwk-set+json" })
          .end(JSON.stringify({ keys: [this.key.jwk] }));
    }
    if (url.pathname === "/v1/events" && request.method === "GET") return this.sse(request, response, url);
    response.writeHead(404, this.cors(request)).end();
  }

  sse(request, response, url) {
    const token = request.headers.authorization?.replace(/^Bearer /, "");
    const cursor = request.headers["last-event-id"] ?? url.searchParams.get("cursor") ?? "";
    this.connects.push({ transport: "sse", cursor, token, url: request.url });
    const refusal = this.admission(token);
    const head = { ...this.cors(request), "content-type": "text/event-stream", "cache-control": "no-store" };
    if (refusal && refusal.verdict === "resume") {
      response.writeHead(200, head);
      return response.end(`retry: 20\n\ndata: ${JSON.stringify({ bye: refusal })}\n\n`);
    }
    if (refusal) {
      response.writeHead(kByes[refusal.name].status, { ...this.cors(request), "content-type": "application/problem+json" });
      return response.end(JSON.stringify({ type: "about:blank", title: refusal.reason, status: kByes[refusal.name].status, code: refusal.name, verdict: refusal.verdict }));
    }
    response.writeHead(200, head);
    const connection = new Connection(this, token, {
      send: (frame, id) => response.write(`${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(frame)}\n\n`),
      end: () => response.end(),
      drop: () => response.destroy(),
    });
    response.on("close", () => this.connections.delete(connection));
    connection.start(cursor);
  }

  upgrade(request, socket, head) {
    const url = new URL(request.url, this.url);
    if (this.refuse_websocket || url.pathname !== "/v1/events") {
      this.connects.push({ transport: "websocket", refused: true, url: request.url });
      return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    }
    this.sockets.handleUpgrade(request, socket, head, (ws) => ws.once("message", (text) => this.hello(request, ws, JSON.parse(text))));
  }

  hello(request, ws, { hello }) {
    this.connects.push({ transport: "websocket", cursor: hello.cursor ?? "", token: hello.token, url: request.url });
    const port = {
      send: (frame) => ws.send(JSON.stringify(frame)),
      end: (code = 1000, reason = "") => ws.close(code, reason),
      drop: () => ws.terminate(),
    };
    const refusal = this.admission(hello.token);
    if (refusal) {
      port.send({ bye: refusal });
      return port.end(refusal.code, refusal.reason);
    }
    const connection = new Connection(this, hello.token, port);
    ws.on("close", () => this.connections.delete(connection));
    ws.on("message", (text) => {
      const { refresh } = JSON.parse(text);
      if (!refresh) return;
      this.refresh_frames.push(refresh.token);
      connection.send({ refreshed: { token_expires_ms: claims(refresh.token).exp * 1000 } });
    });
    connection.start(hello.cursor ?? "");
  }

  /** The bye that refuses this token, or null. */
  admission(token) {
    const bye = (name, more) => ({ name, reason: name.replace("_", " "), ...kByes[name], status: undefined, ...more });
    if (this.refuse.length > 0) {
      const next = this.refuse.shift();
      return typeof next === "string" ? bye(next) : bye(next.name, next);
    }
    if (!token) return bye("unauthenticated");
    const { sub, sid, exp, auth_time_ms } = claims(token);
    if (exp * 1000 <= this.now()) return bye("token_expired");
    if (this.revoked.has(sid)) return bye("session_revoked", { reason: this.revoked.get(sid).reason });
    const user = this.revoked.get(`user ${sub}`);
    if (user && auth_time_ms <= user.at_ms) return bye("session_revoked", { reason: user.reason, verdict: "reauthenticate" });
    return null;
  }
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

class Connection {
  constructor(gateway, token, port) {
    const { sub, sid, exp } = claims(token);
    Object.assign(this, { gateway, port, user: sub, session: sid, expires_ms: exp * 1000, muted: false });
  }

  wants({ user_id, device_session_id = "" }) {
    return user_id === this.user && (device_session_id === "" || device_session_id === this.session);
  }

  start(cursor) {
    const { gateway } = this;
    const at = gateway.entries.findIndex((entry) => entry.cursor === cursor);
    const known = cursor === gateway.base || at >= 0;
    const resume = cursor === "" ? "fresh" : known && at + 1 >= gateway.evicted_before ? "resumed" : "gap";
    this.send({ welcome: {
      session: this.session, user: this.user, resume, reason: resume === "gap" ? (known ? "evicted" : "unknown") : "",
      head: gateway.head, heartbeat_ms: gateway.heartbeat_ms, now_ms: gateway.now(), token_expires_ms: Math.round(this.expires_ms),
    } });
    if (resume === "resumed") {
      this.deliver(gateway.entries.slice(at + 1).filter((entry) => !entry.invalidation && this.wants(entry)));
      this.send({ caught_up: { cursor: gateway.head } });
    }
    gateway.connections.add(this);
  }

  deliver(events) {
    for (let from = 0; from < events.length; from += 64) {
      const batch = signBatch(this.gateway.key, this.gateway.plane, events.slice(from, from + 64), this.gateway.now());
      for (const envelope of batch) this.send({ event: this.gateway.tamper?.(envelope, this) ?? envelope }, envelope.cursor);
    }
  }

  send(frame, id) {
    if (!this.muted) this.port.send(frame, id);
  }

  bye(name, more = {}) {
    const { code, verdict } = kByes[name];
    const bye = { code, reason: name, verdict, ...more };
    this.send({ bye });
    this.port.end(bye.code, bye.reason);
    this.gateway.connections.delete(this);
  }

  drop() {
    this.port.drop();
    this.gateway.connections.delete(this);
  }
}
