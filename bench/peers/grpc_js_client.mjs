// @grpc/grpc-js as a client of SubscribePush that counts and decodes nothing:
// grpc_js_client.mjs HOST:PORT ENTRIES CURSOR. Prints one JSON object. CURSOR "-": from the ring's start, as a gateway asks for it.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../tests/package.json', import.meta.url));
const grpc = require('@grpc/grpc-js');

const [address, count, cursor] = process.argv.slice(2);
const wanted = Number(count);
const field = (number, text) => Buffer.concat([Buffer.from([(number << 3) | 2, text.length]), Buffer.from(text)]);
const request = cursor === '-' ? field(1, 'grpc-js') : Buffer.concat([field(1, 'grpc-js'), field(2, cursor)]);
const metadata = new grpc.Metadata();
if (cursor === '-') metadata.set('push-since', '0');

const same = (bytes) => bytes;
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const begin = process.hrtime.bigint();
const cpu = process.cpuUsage();
let entries = 0;
let bytes = 0;
const call = client.makeServerStreamRequest('/galaxy.backend.push.v1.Push/SubscribePush', same, same, request, metadata);
function end() {
  const used = process.cpuUsage(cpu);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  console.log(JSON.stringify({ entries, bytes, seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
  process.exit(entries === wanted ? 0 : 1);
}
call.on('data', (message) => {
  bytes += message.length;
  if (++entries === wanted) end();
});
call.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
call.on('end', end);
