// @grpc/grpc-js, and protobufjs with `ws`, clients that are not ours, against the gateway: edge-protocol.md, semantics.md 7 and 8.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import WebSocket from 'ws';
import { verifierOf } from '../support/envelope.mjs';
import { Keys, ROOT, invalidate, publish, ready, startBackend, startGateway, waitFor } from '../support/galaxy.mjs';

const FILE = 'galaxy/gateway/v1/edge.proto';
const { Edge } = grpc.loadPackageDefinition(loader.loadSync(FILE, { includeDirs: [join(ROOT, 'proto')], keepCase: true, oneofs: true, defaults: true, longs: Number })).galaxy.gateway.v1;
const types = new protobuf.Root().loadSync(join(ROOT, 'proto', FILE), { keepCase: true });

let backend, gateway, keys, verify;
before(async () => {
  keys = new Keys();
  backend = await startBackend();
  gateway = await startGateway(backend, keys);
  await ready(gateway);
  verify = await verifierOf(gateway);
});
after(async () => { await gateway.stop(); await backend.stop(); });

let users = 0;
const newUser = () => `edge-${++users}`;

class Client {
  frames = [];

  async frame(name, count = 1) {
    const found = () => this.frames.filter((frame) => frame.frame === name);
    await waitFor(`${count} ${name} frames, got ${JSON.stringify(this.frames.slice(-2))} ${JSON.stringify(this.ended)}`, () => found().length >= count);
    return found()[count - 1][name];
  }
}

class GrpcClient extends Client {
  constructor(token, cursor = '') {
    super();
    this.client = new Edge(gateway.addresses.listen, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    const metadata = new grpc.Metadata();
    if (token) metadata.set('authorization', `Bearer ${token}`);
    this.call = this.client.Subscribe({ cursor }, metadata);
    this.call.on('data', (frame) => this.frames.push(frame));
    this.call.on('status', (status) => { this.ended = status; });
    this.call.on('error', () => {});
  }

  async end() {
    await waitFor('the status', () => this.ended);
    return { status: this.ended.code, code: Number(this.ended.metadata.get('push-code')[0]), verdict: this.ended.metadata.get('push-verdict')[0] };
  }

  close() { this.call.cancel(); this.client.close(); }
}

/** Speaks galaxy.push.v1.pb with protobufjs. */
class ProtobufSocket extends Client {
  constructor(token, cursor = '') {
    super();
    this.ours = types.lookupType('galaxy.gateway.v1.ClientFrame');
    const theirs = types.lookupType('galaxy.gateway.v1.Frame');
    this.socket = new WebSocket(`ws://${gateway.addresses.listen}/v1/events`, ['galaxy.push.v1.pb', 'galaxy.push.v1']);
    this.socket.on('open', () => this.send({ hello: { token, cursor } }));
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, true);
      this.frames.push(theirs.toObject(theirs.decode(data), { oneofs: true, defaults: true, longs: Number }));
    });
    this.socket.on('close', (code) => { this.ended = { code }; });
  }

  send(frame) { this.socket.send(this.ours.encode(this.ours.fromObject(frame)).finish()); }
  async end() { await waitFor('the close', () => this.ended); return { code: this.ended.code }; }
  close() { this.socket.close(); }
}

for (const [name, Kind] of [['grpc-js', GrpcClient], ['protobuf WebSocket', ProtobufSocket]]) {
  test(`${name}: welcome, then events that verify`, async () => {
    const user = newUser();
    const client = new Kind(keys.token(user, 's-1'));
    const welcome = await client.frame('welcome');
    assert.deepEqual([welcome.user, welcome.session, welcome.resume, welcome.heartbeat_ms], [user, 's-1', 'fresh', 25_000]);
    const cursor = await publish(backend, { user_id: user, payload: { name: 'Зоря 🚀' } });
    const event = await client.frame('event');
    assert.equal(event.cursor, cursor);
    assert.ok(verify(event));
    assert.ok(!verify({ ...event, cursor: `${cursor}0` }), 'what was altered does not verify');
    assert.equal(Buffer.from(event.payload).toString(), '{"name":"Зоря 🚀"}');
    client.close();
  });

  test(`${name}: resumes, across transports (7.4)`, async () => {
    const user = newUser();
    const cursors = [];
    const before = new Kind(keys.token(user, 's-2'));
    await before.frame('welcome');
    for (let n = 0; n < 4; n++) cursors.push(await publish(backend, { user_id: user, payload: { n } }));
    await before.frame('event', 4);
    const client = new Kind(keys.token(user, 's-1'), cursors[1]);
    assert.equal((await client.frame('welcome')).resume, 'resumed');
    await client.frame('caught_up');
    assert.deepEqual(client.frames.filter((f) => f.frame === 'event').map((f) => f.event.cursor), cursors.slice(2));
    for (const one of [before, client]) one.close();
  });

  test(`${name}: a revoked device is out and stays out (8.1)`, async () => {
    const user = newUser();
    const [out, stays] = [new Kind(keys.token(user, 's-1')), new Kind(keys.token(user, 's-2'))];
    await Promise.all([out.frame('welcome'), stays.frame('welcome')]);
    await invalidate(backend, { user_id: user, device_session_id: 's-1', reason: 'lost phone' });
    const bye = await out.frame('bye');
    assert.deepEqual([bye.code, bye.verdict, bye.reason], [4503, 'never', 'lost phone']);
    assert.equal((await out.end()).code, 4503);
    await publish(backend, { user_id: user });
    await stays.frame('event');
    assert.equal(out.frames.filter((f) => f.frame === 'event').length, 0);
    const again = new Kind(keys.token(user, 's-1'));
    assert.equal((await again.end()).code, 4503);
    for (const client of [out, stays, again]) client.close();
  });
}

test('grpc-js: revocation is UNAUTHENTICATED with code and verdict, refusals come before any frame', async () => {
  const user = newUser();
  const client = new GrpcClient(keys.token(user, 's-1'));
  await client.frame('welcome');
  await invalidate(backend, { user_id: user, reason: 'password changed' });
  assert.deepEqual(await client.end(), { status: grpc.status.UNAUTHENTICATED, code: 4503, verdict: 'reauthenticate' });
  assert.equal(client.ended.details, 'password changed');
  const stranger = new GrpcClient('nonsense');
  assert.deepEqual(await stranger.end(), { status: grpc.status.UNAUTHENTICATED, code: 4501, verdict: 'reauthenticate' });
  assert.equal(stranger.frames.length, 0);
  for (const one of [client, stranger]) one.close();
});

test('grpc-js: a cancelled call is forgotten', async () => {
  const user = newUser();
  const client = new GrpcClient(keys.token(user, 's-1'));
  await client.frame('welcome');
  const sessions = async () => (await (await fetch(`http://${gateway.addresses.admin}/v1/sessions?user=${user}`)).json()).sessions;
  assert.deepEqual((await sessions()).map((s) => s.transport), ['grpc']);
  client.close();
  await waitFor('the gateway has forgotten it', async () => (await sessions()).length === 0);
});

test('protobuf WebSocket: a refresh moves the expiry, text is not taken (8.8)', async () => {
  const user = newUser();
  const client = new ProtobufSocket(keys.token(user, 's-1'));
  await client.frame('welcome');
  assert.equal(client.socket.protocol, 'galaxy.push.v1.pb', 'the first one offered that is known');
  const exp = Math.floor(Date.now() / 1000) + 7200;
  client.send({ refresh: { token: keys.token(user, 's-1', { exp }) } });
  assert.equal((await client.frame('refreshed')).token_expires_ms, exp * 1000);
  client.socket.send('{"refresh":{"token":"x"}}');
  assert.equal((await client.end()).code, 4500);
});
