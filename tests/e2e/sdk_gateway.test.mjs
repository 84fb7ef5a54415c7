// The JavaScript SDK against a real backend and gateway, over WebSocket and over its SSE fallback: semantics.md 7.4, 7.5, 8.1, 8.5, 8.8.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { connect, memoryCursorStore, partitionOf } from '../../sdk/js/src/index.js';
import { BINARY, Keys, Program, invalidate, publish, ready, startBackend, startGateway, temporaryFolder, waitFor, ISSUER, AUDIENCE } from '../support/galaxy.mjs';

let backend, gateway, keys;
before(async () => {
  keys = new Keys();
  backend = await startBackend();
  gateway = await startGateway(backend, keys);
  await ready(gateway);
});
after(async () => { await gateway.stop(); await backend.stop(); });

let users = 0;

/** An SDK client with everything it said. */
class Device {
  constructor(user, session, options = {}) {
    Object.assign(this, { events: [], states: [], gaps: [], refused: [], problems: [], tokens: 0 });
    this.client = connect({
      url: `http://${(options.gateway ?? gateway).addresses.listen}`,
      WebSocket,
      backoffMinMs: 50,
      backoffMaxMs: 500,
      token: async () => { this.tokens++; return keys.token(user, session, options.claims?.() ?? {}); },
      onEvent: (event) => { this.events.push(event); },
      onGap: (gap) => { this.gaps.push(gap); },
      onState: (state) => { this.states.push(state); },
      onRefused: (refused) => { this.refused.push(refused); },
      onError: (problem) => { this.problems.push(problem); },
      ...options.connect,
    });
  }

  get said() { return JSON.stringify([this.states.slice(-4), this.problems.slice(-3), this.refused.slice(-2)]); }
  async state(name) { return waitFor(`state ${name}, said ${this.said}`, () => this.states.find((s) => s.name === name)); }
  async take(count) { await waitFor(`${count} events, has ${this.events.length}, said ${this.said}`, () => this.events.length >= count); return this.events; }
  close() { return this.client.close(); }
}

for (const transport of ['websocket', 'sse']) {
  const over = (more = {}) => ({ connect: { transports: [transport], ...more } });

  test(`${transport}: events arrive verified, in order, once`, async () => {
    const user = `sdk-${++users}`;
    const device = new Device(user, 's-1', over());
    await device.state('live');
    assert.equal(device.states.find((s) => s.name === 'live').transport, transport);
    const sent = [];
    for (let n = 0; n < 100; n++) sent.push(await publish(backend, { user_id: user, payload: { n, text: 'Ζῆτα 🚀' } }));
    await device.take(100);
    assert.deepEqual(device.events.map((e) => e.cursor), sent);
    assert.ok(device.events.every((e) => e.verified && e.json().text === 'Ζῆτα 🚀'));
    assert.deepEqual(device.refused, []);
    await device.close();
  });

  test(`${transport}: what was missed is caught up at the stored cursor (7.4)`, async () => {
    const user = `sdk-${++users}`;
    const cursorStore = memoryCursorStore();
    const first = new Device(user, 's-1', over({ cursorStore }));
    await first.state('live');
    await publish(backend, { user_id: user, payload: { n: 0 } });
    await first.take(1);
    await first.close();
    const missed = [];
    for (let n = 1; n <= 5; n++) missed.push(await publish(backend, { user_id: user, payload: { n } }));
    const again = new Device(user, 's-1', over({ cursorStore }));
    await again.state('live');
    assert.deepEqual((await again.take(5)).map((e) => [e.cursor, e.replayed]), missed.map((cursor) => [cursor, true]));
    await again.close();
  });

  test(`${transport}: an invalidated session stops and does not come back (8.1)`, async () => {
    const user = `sdk-${++users}`;
    const [out, stays] = ['s-1', 's-2'].map((session) => new Device(user, session, over()));
    await Promise.all([out.state('live'), stays.state('live')]);
    await invalidate(backend, { user_id: user, device_session_id: 's-1', reason: 'lost phone' });
    const stopped = await out.state('stopped');
    assert.deepEqual([stopped.verdict, stopped.code_name], ['never', 'session_revoked']);
    assert.match(stopped.reason, /lost phone/);
    const tokens = out.tokens;
    await publish(backend, { user_id: user });
    await stays.take(1);
    assert.deepEqual([out.events.length, out.tokens], [0, tokens]);
    await stays.close();
  });

  test(`${transport}: an invalidated user signs in again by itself when the token is new (8.5)`, async () => {
    const user = `sdk-${++users}`;
    const device = new Device(user, 's-1', over());
    await device.state('live');
    await invalidate(backend, { user_id: user, reason: 'password changed' });
    await waitFor(`it is live again, said ${device.said}`, () => device.states.filter((s) => s.name === 'live').length === 2);
    assert.ok(device.states.some((s) => s.verdict === 'reauthenticate'));
    assert.ok(device.tokens >= 2);
    await publish(backend, { user_id: user });
    await device.take(1);
    await device.close();
  });
}

test('a token that is about to expire is refreshed in band, the connection stays (8.8)', async () => {
  const user = `sdk-${++users}`;
  const device = new Device(user, 's-1', { claims: () => ({ exp: Math.floor(Date.now() / 1000) + 8 }) });
  await device.state('live');
  await waitFor(`a second token, said ${device.said}`, () => device.tokens >= 2);
  await publish(backend, { user_id: user });
  await device.take(1);
  assert.equal(device.states.filter((s) => s.name === 'live').length, 1);
  await device.close();
});

test('a gateway that is replaced costs a reconnect and loses nothing (6.5, 7.4)', async () => {
  const user = `sdk-${++users}`;
  const data = temporaryFolder();
  const start = (listen) => Program.start('gateway', '--id', 'gw-replaced', '--backend', backend.addresses.listen, '--listen', listen, '--admin', '127.0.0.1:0',
    '--data', data, '--jwks', keys.jwks, '--issuer', ISSUER, '--audience', AUDIENCE, '--drain-spread', '0s');
  const old = await start('127.0.0.1:0');
  await ready(old);
  const device = new Device(user, 's-1', { gateway: old });
  await device.state('live');
  const sent = [await publish(backend, { user_id: user, payload: { n: 0 } })];
  await device.take(1);
  assert.equal(await old.terminate(), 0);
  for (let n = 1; n < 6; n++) sent.push(await publish(backend, { user_id: user, payload: { n } }));
  const next = await start(old.addresses.listen);
  try {
    assert.deepEqual((await device.take(6)).map((e) => e.cursor), sent);
    assert.ok(device.states.some((s) => s.code_name === 'drain'));
  } finally {
    await device.close();
    await next.stop();
  }
});

test('a gateway of another partition sends the client where its user is served (7.7)', async () => {
  const user = `sdk-${++users}`, own = partitionOf(user);
  const others = own === 0 ? '1-255' : own === 255 ? '0-254' : `0-${own - 1},${own + 1}-255`;
  const envelope = join(temporaryFolder(), 'envelope.json');
  execFileSync(BINARY, ['keys', 'envelope', '--out', envelope]);
  const right = await startGateway(backend, keys, '--id', 'right', '--envelope-keys', envelope, '--partitions', String(own));
  const wrong = await startGateway(backend, keys, '--id', 'wrong', '--envelope-keys', envelope, '--partitions', others,
    '--foreign-partition', 'redirect', '--partition-urls', `${own}=http://${right.addresses.listen}`);
  try {
    await Promise.all([ready(right), ready(wrong)]);
    for (const transport of ['websocket', 'sse']) {
      const device = new Device(user, 's-1', { gateway: wrong, connect: { transports: [transport], cursorStore: memoryCursorStore() } });
      await device.state('live');
      const cursor = await publish(backend, { user_id: user });
      await device.take(1);
      assert.deepEqual(device.events.map((event) => event.cursor), [cursor]);
      assert.ok(device.states.some((state) => state.code_name === 'redirected' && state.name === 'connecting'));
      assert.ok(!device.states.some((state) => state.name === 'waiting'), 'at once');
      assert.deepEqual(device.problems, []);
      await device.close();
    }
    const metrics = await (await fetch(`http://${wrong.addresses.admin}/metrics`)).text();
    assert.match(metrics, /galaxy_push_edge_refused_total\{code="redirected",verdict="resume"\} 2\n/);
  } finally {
    await wrong.stop();
    await right.stop();
  }
});
