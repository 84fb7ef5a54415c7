// npm's `ws` and `eventsource`, clients that are not ours, against the gateway: edge-protocol.md, semantics.md 7 and 8.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { EventSource } from 'eventsource';
import { Keys, invalidate, publish, ready, startBackend, startGateway, waitFor } from '../support/galaxy.mjs';

let backend, gateway, keys;
before(async () => {
  keys = new Keys();
  backend = await startBackend();
  gateway = await startGateway(backend, keys);
  await ready(gateway);
});
after(async () => { await gateway.stop(); await backend.stop(); });

let users = 0;
const newUser = () => `user-${++users}`;

/** A WebSocket client with what it received. */
class Socket {
  constructor({ query = '', token, hello, protocols = ['galaxy.push.v1'] } = {}) {
    this.frames = [];
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    this.socket = new WebSocket(`ws://${gateway.addresses.listen}/v1/events${query}`, protocols, { headers });
    this.socket.on('open', () => { this.open = true; if (hello) this.socket.send(JSON.stringify({ hello })); });
    this.socket.on('message', (data, binary) => { assert.equal(binary, false); this.frames.push(JSON.parse(data.toString())); });
    this.socket.on('unexpected-response', (_, answer) => { this.refused = answer; answer.resume(); this.socket.terminate(); });
    this.socket.on('error', (error) => { this.error = error; });
    this.socket.on('close', (code, reason) => { this.closed = { code, reason: reason.toString() }; });
  }

  async frame(name, count = 1) {
    const found = () => this.frames.filter((frame) => name in frame);
    await waitFor(`${count} ${name} frames, got ${JSON.stringify(this.frames.slice(-3))} ${JSON.stringify(this.closed)}`, () => found().length >= count);
    return found()[count - 1][name];
  }

  end() { return waitFor('the close', () => this.closed); }
  close() { this.socket.close(); }
}

/** npm's eventsource, which sends the header through its fetch option. */
function source(token, cursor) {
  const frames = [];
  const es = new EventSource(`http://${gateway.addresses.listen}/v1/events${cursor ? `?cursor=${cursor}` : ''}`, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
  });
  es.addEventListener('message', (message) => frames.push({ id: message.lastEventId, ...JSON.parse(message.data) }));
  return { es, frames, frame: (name, count = 1) => waitFor(`${count} ${name}`, () => frames.filter((frame) => name in frame)[count - 1]) };
}

test('ws: welcome comes first and says what the token said', async () => {
  const user = newUser();
  const client = new Socket({ token: keys.token(user, 's-1') });
  const welcome = await client.frame('welcome');
  assert.equal(Object.keys(client.frames[0])[0], 'welcome');
  assert.equal(client.socket.protocol, 'galaxy.push.v1');
  assert.deepEqual([welcome.user, welcome.session, welcome.resume, welcome.heartbeat_ms], [user, 's-1', 'fresh', 25_000]);
  assert.ok(Math.abs(welcome.now_ms - Date.now()) < 5_000);
  assert.ok(welcome.token_expires_ms > Date.now());
  client.close();
  assert.equal((await client.end()).code, 1000);
});

test('ws: the hello frame signs in where headers cannot', async () => {
  const user = newUser();
  const client = new Socket({ hello: { token: keys.token(user, 's-1') } });
  assert.equal((await client.frame('welcome')).user, user);
  client.close();
});

test('an event verifies with node:crypto against the published keys', async () => {
  const user = newUser();
  const client = new Socket({ token: keys.token(user, 's-1') });
  await client.frame('welcome');
  await publish(backend, { user_id: user, payload: { turn: 7, name: 'Зоря 🚀' }, event_id: 'e-1' });
  const e = await client.frame('event');
  const { keys: jwks } = await (await fetch(`http://${gateway.addresses.listen}/.well-known/jwks.json`)).json();
  const jwk = jwks.find((k) => k.kid === e.proof.kid);
  const lp = (x) => { const b = Buffer.from(x); const n = Buffer.alloc(4); n.writeUInt32BE(b.length); return Buffer.concat([n, b]); };
  const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
  const leaf = Buffer.concat([lp('galaxy-push-event-v1'), lp(Buffer.from(e.proof.salt, 'base64url')), lp(e.issuer),
    ...['user_id', 'device_session_id', 'kind', 'event_id', 'request_id', 'trace_id', 'cursor'].map((f) => lp(e[f] ?? '')), lp(e.payload)]);
  assert.equal(e.proof.size, 1);
  const tail = Buffer.alloc(12);
  tail.writeBigUInt64BE(BigInt(e.proof.signed_at_ms));
  tail.writeUInt32BE(1, 8);
  const root = Buffer.concat([lp('galaxy-push-root-v1'), lp(e.proof.kid), tail, sha(Buffer.from([0]), leaf)]);
  assert.ok(verify(null, root, createPublicKey({ key: jwk, format: 'jwk' }), Buffer.from(e.proof.sig, 'base64url')));
  assert.equal(e.payload, '{"turn":7,"name":"Зоря 🚀"}');
  client.close();
});

test('an event with a session reaches that session of that user only (7.3)', async () => {
  const [user, other] = [newUser(), newUser()];
  const one = new Socket({ token: keys.token(user, 's-1') });
  const two = new Socket({ token: keys.token(user, 's-2') });
  const foreign = new Socket({ token: keys.token(other, 's-1') });
  await Promise.all([one, two, foreign].map((client) => client.frame('welcome')));
  await publish(backend, { user_id: user, device_session_id: 's-1', payload: { for: 's-1' } });
  await publish(backend, { user_id: user, payload: { for: 'all' } });
  await publish(backend, { user_id: other, payload: { for: 'other' } });
  await Promise.all([one.frame('event', 2), two.frame('event'), foreign.frame('event')]);
  const payloads = (client) => client.frames.filter((f) => f.event).map((f) => JSON.parse(f.event.payload).for);
  assert.deepEqual([payloads(one), payloads(two), payloads(foreign)], [['s-1', 'all'], ['all'], ['other']]);
  for (const client of [one, two, foreign]) client.close();
});

test('a resumed client gets what it missed, then caught_up, then live events (7.4)', async () => {
  const user = newUser();
  const first = new Socket({ token: keys.token(user, 's-1') });
  await first.frame('welcome');
  const from = await publish(backend, { user_id: user, payload: { n: 0 } });
  await first.frame('event');
  first.close();
  await first.end();
  const missed = [];
  for (let n = 1; n <= 5; n++) missed.push(await publish(backend, { user_id: user, payload: { n } }));
  const again = new Socket({ token: keys.token(user, 's-1'), query: `?cursor=${from}` });
  assert.equal((await again.frame('welcome')).resume, 'resumed');
  await again.frame('caught_up');
  const live = await publish(backend, { user_id: user, payload: { n: 6 } });
  await again.frame('event', 6);
  assert.deepEqual(again.frames.map((f) => Object.keys(f)[0]), ['welcome', ...missed.map(() => 'event'), 'caught_up', 'event']);
  assert.deepEqual(again.frames.filter((f) => f.event).map((f) => f.event.cursor), [...missed, live]);
  again.close();
});

test('resume by SSE continues what WebSocket began, at another transport (7.4)', async () => {
  const user = newUser();
  const cursors = [];
  for (let n = 0; n < 4; n++) cursors.push(await publish(backend, { user_id: user, payload: { n } }));
  const { es, frames, frame } = source(keys.token(user, 's-1'), cursors[1]);
  await frame('caught_up');
  assert.equal(frames[0].welcome.resume, 'resumed');
  assert.deepEqual(frames.filter((f) => f.event).map((f) => f.event.cursor), cursors.slice(2));
  assert.deepEqual(frames.filter((f) => f.event).map((f) => f.id), cursors.slice(2));
  es.close();
});

test('a cursor that cannot be resumed is a gap with its reason, never silence (7.4)', async () => {
  const user = newUser();
  const client = new Socket({ token: keys.token(user, 's-1'), query: '?cursor=0000000000000001-000000000001' });
  const welcome = await client.frame('welcome');
  assert.equal(welcome.resume, 'gap');
  assert.ok(['evicted', 'unknown'].includes(welcome.reason), welcome.reason);
  client.close();
});

test('an invalidated device is cut off with reason and verdict, the other one stays (8.1)', async () => {
  const user = newUser();
  const [out, stays] = ['s-1', 's-2'].map((session) => new Socket({ token: keys.token(user, session) }));
  const { frames, frame, es } = source(keys.token(user, 's-1'));
  await Promise.all([out.frame('welcome'), stays.frame('welcome'), frame('welcome')]);
  await invalidate(backend, { user_id: user, device_session_id: 's-1', reason: 'lost phone' });
  const bye = await out.frame('bye');
  assert.deepEqual([bye.code, bye.verdict], [4503, 'never']);
  assert.match(bye.reason, /lost phone/);
  assert.equal((await out.end()).code, 4503);
  assert.equal((await frame('bye')).bye.verdict, 'never');
  es.close();
  await publish(backend, { user_id: user, payload: { after: 1 } });
  await stays.frame('event');
  assert.equal(out.frames.filter((f) => f.event).length, 0);
  assert.equal(frames.filter((f) => f.event).length, 0);
  const again = new Socket({ token: keys.token(user, 's-1') });
  assert.equal((await again.frame('bye')).verdict, 'never');
  assert.equal((await again.end()).code, 4503);
  stays.close();
});

test('a whole user is told to sign in again, and a later sign-in is good (8.5)', async () => {
  const user = newUser();
  const clients = ['s-1', 's-2'].map((session) => new Socket({ token: keys.token(user, session) }));
  await Promise.all(clients.map((client) => client.frame('welcome')));
  await invalidate(backend, { user_id: user, reason: 'password changed' });
  for (const client of clients) {
    assert.equal((await client.frame('bye')).verdict, 'reauthenticate');
    assert.equal((await client.end()).code, 4503);
  }
  // Whole seconds count (8.5): a sign-in within the second of the invalidation is still before it.
  const later = await waitFor('a later sign-in is good', async () => {
    const client = new Socket({ token: keys.token(user, 's-3') });
    await waitFor('an answer', () => client.frames.length > 0);
    return client.frames[0].welcome ? client : null;
  });
  assert.equal(later.frames[0].welcome.session, 's-3');
  later.close();
});

test('refusals over WebSocket follow the upgrade as bye', async () => {
  const cases = [
    [{ token: 'nonsense' }, 4501, 'reauthenticate'],
    [{ token: keys.token('u', 's', { exp: Math.floor(Date.now() / 1000) - 3600, iat: Math.floor(Date.now() / 1000) - 7200 }) }, 4502, 'reauthenticate'],
    [{ token: keys.token('u', 's', { aud: 'someone else' }) }, 4501, 'reauthenticate'],
    [{ hello: { token: 'nonsense' } }, 4501, 'reauthenticate'],
    [{ hello: { tokn: 'x' } }, 4500, 'never'],
  ];
  for (const [options, code, verdict] of cases) {
    const client = new Socket(options);
    const bye = await client.frame('bye');
    assert.deepEqual([bye.code, bye.verdict, (await client.end()).code], [code, verdict, code]);
  }
});

test('a token in the URL is refused (10.2)', async () => {
  const answer = await fetch(`http://${gateway.addresses.listen}/v1/events?token=${keys.token('u', 's')}`, { headers: { accept: 'text/event-stream' } });
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
});

test('SSE without credentials is a 401 problem that says how to sign in', async () => {
  const answer = await fetch(`http://${gateway.addresses.listen}/v1/events`, { headers: { accept: 'text/event-stream' } });
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get('www-authenticate'), /^Bearer/);
  const problem = await answer.json();
  assert.deepEqual([problem.status, problem.verdict], [401, 'reauthenticate']);
});

test('a refresh keeps the connection and moves its expiry; the token of another session changes nothing (8.8)', async () => {
  const user = newUser();
  const client = new Socket({ token: keys.token(user, 's-1') });
  await client.frame('welcome');
  const exp = Math.floor(Date.now() / 1000) + 7200;
  client.socket.send(JSON.stringify({ refresh: { token: keys.token(user, 's-1', { exp }) } }));
  assert.equal((await client.frame('refreshed')).token_expires_ms, exp * 1000);
  client.socket.send(JSON.stringify({ refresh: { token: keys.token(user, 's-2', { exp: exp + 60 }) } }));
  client.socket.send(JSON.stringify({ refresh: { token: keys.token(user, 's-1', { exp: exp + 120 }) } }));
  assert.equal((await client.frame('refreshed', 2)).token_expires_ms, (exp + 120) * 1000);
  await publish(backend, { user_id: user, device_session_id: 's-1' });
  await client.frame('event');
  client.close();
});
