// @grpc/grpc-js, a gRPC client that is not ours, against the backend: semantics.md sections 4-6.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { ROOT, publish, startBackend, waitFor } from '../support/galaxy.mjs';

const load = (file) => grpc.loadPackageDefinition(loader.loadSync(file, { includeDirs: [join(ROOT, 'proto')], keepCase: true, oneofs: true, defaults: true }));
const { Push } = load('galaxy/backend/push/v1/push.proto').galaxy.backend.push.v1;
const { Publisher } = load('galaxy/backend/publish/v1/publish.proto').galaxy.backend.publish.v1;

let backend;
before(async () => { backend = await startBackend(); });
after(async () => { await backend.stop(); });

/** A stream with what arrived on it; canaries are left out. */
class Subscription {
  constructor(id, cursor = '', address = backend.addresses.listen) {
    this.client = new Push(address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    this.entries = [];
    this.call = this.client.SubscribePush({ gateway_client_id: id, cursor });
    this.call.on('metadata', (metadata) => { this.metadata = metadata.getMap(); });
    this.call.on('data', (entry) => { if (entry.client_event?.user_id !== 'galaxy:canary') this.entries.push(entry); });
    this.call.on('status', (status) => { this.status = status; });
    this.call.on('error', () => {});
  }

  ready() { return waitFor('initial metadata', () => this.metadata); }
  async take(count) { await waitFor(`${count} entries`, () => this.entries.length >= count); return this.entries; }
  close() { this.call.cancel(); this.client.close(); }
}

test('subscribes, receives in order and resumes at the next entry (1.4, 4.2)', async () => {
  const first = new Subscription('js-1');
  await first.ready();
  assert.equal(first.metadata['push-resume'], 'fresh');
  const sent = [];
  for (let n = 0; n < 10; n++) sent.push(await publish(backend, { user_id: 'u', payload: { n } }));
  assert.deepEqual((await first.take(10)).map((entry) => entry.cursor), sent);
  assert.equal(first.entries[3].client_event.payload.toString(), '{"n":3}');
  first.close();
  const second = new Subscription('js-1', sent[6]);
  await second.ready();
  assert.equal(second.metadata['push-resume'], 'resumed');
  assert.ok(BigInt(second.metadata['push-generation']) > BigInt(first.metadata['push-generation']));
  assert.deepEqual((await second.take(3)).map((entry) => entry.cursor), sent.slice(7));
  second.close();
});

test('a newer stream of the same id displaces the older (5.1, 5.2)', async () => {
  const old = new Subscription('js-2');
  await old.ready();
  const newer = new Subscription('js-2');
  await newer.ready();
  await waitFor('the end of the old stream', () => old.status);
  assert.equal(old.status.code, grpc.status.ABORTED);
  assert.equal(old.status.details, 'superseded');
  assert.equal(old.status.metadata.get('push-close-reason')[0], 'superseded');
  const cursor = await publish(backend, { user_id: 'u' });
  assert.equal((await newer.take(1))[0].cursor, cursor);
  assert.equal(old.entries.length, 0);
  old.close();
  newer.close();
});

test('PublishStream answers each entry in order, and a refused one does not end it (2.3)', async () => {
  const client = new Publisher(backend.addresses.listen, grpc.credentials.createInsecure());
  const stream = client.PublishStream();
  const results = [];
  stream.on('data', (result) => results.push(result));
  const done = new Promise((resolve, reject) => { stream.on('end', resolve); stream.on('error', reject); });
  const event = (n, over) => ({ event: { user_id: 'u', kind: 'k', payload: Buffer.from(`{"n":${n}}`), event_id: `js-${n}`, ...over } });
  for (let n = 0; n < 100; n++) stream.write(event(n, n === 50 ? { user_id: '' } : {}));
  stream.write(event(3, {}));
  stream.end();
  await done;
  assert.equal(results.length, 101);
  assert.equal(results[50].error.field, 'user_id');
  assert.equal(results[50].cursor, '');
  const cursors = results.slice(0, 100).filter((r) => !r.error).map((r) => r.cursor);
  assert.equal(cursors.length, 99);
  assert.deepEqual(cursors, [...cursors].sort());
  assert.equal(results[100].duplicate, true);
  assert.equal(results[100].cursor, results[3].cursor);
  client.close();
});

test('Invalidate reaches subscribers in the one order (1.3)', async () => {
  const client = new Publisher(backend.addresses.listen, grpc.credentials.createInsecure());
  const s = new Subscription('js-3');
  await s.ready();
  const before = await publish(backend, { user_id: 'u' });
  const { cursor } = await new Promise((resolve, reject) => client.Invalidate(
    { invalidation: { user_id: 'u', device_session_id: 'd', reason: 'lost phone' } }, (error, answer) => error ? reject(error) : resolve(answer)));
  const afterwards = await publish(backend, { user_id: 'u' });
  assert.deepEqual((await s.take(3)).map((entry) => entry.cursor), [before, cursor, afterwards]);
  assert.equal(s.entries[1].session_invalidation.reason, 'lost phone');
  s.close();
  client.close();
});

test('a drain ends the stream after the last entry, UNAVAILABLE with its reason (6.5)', async () => {
  const own = await startBackend();
  try {
    const s = new Subscription('js-4', '', own.addresses.listen);
    await s.ready();
    const sent = [];
    for (let n = 0; n < 20; n++) sent.push(await publish(own, { user_id: 'u', payload: { n } }));
    assert.equal(await own.terminate(), 0);
    await waitFor('the end', () => s.status);
    assert.equal(s.status.code, grpc.status.UNAVAILABLE);
    assert.equal(s.status.metadata.get('push-close-reason')[0], 'drain');
    assert.deepEqual(s.entries.map((entry) => entry.cursor), sent);
    s.close();
  } finally {
    await own.stop();
  }
});
