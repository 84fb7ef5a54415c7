// What the Node tests share: starting the built program, keys and tokens, waiting. GALAXY_PUSH names the binary.
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
export const BINARY = process.env.GALAXY_PUSH ?? join(ROOT, 'build', 'galaxy-push');
export const DEADLINE_MS = 30_000;

/** Resolves with the first truthy value of `condition()`, rejects with `what` after the deadline. */
export async function waitFor(what, condition, ms = DEADLINE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

export function temporaryFolder() {
  return mkdtempSync(join(tmpdir(), 'galaxy-test-'));
}

/** A subcommand of the binary; `addresses` is what its ready file says. */
export class Program {
  static async start(...args) {
    const program = new Program();
    program.folder = temporaryFolder();
    const ready = join(program.folder, 'ready.json');
    program.output = '';
    program.child = spawn(BINARY, [...args, '--ready-file', ready], { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => { program.output = (program.output + chunk).slice(-20_000); };
    program.child.stdout.on('data', keep);
    program.child.stderr.on('data', keep);
    program.exited = new Promise((done) => program.child.on('exit', (code, signal) => done(code ?? signal)));
    try {
      program.addresses = await waitFor(`ready file of ${args.join(' ')}`, () => {
        if (program.child.exitCode !== null) throw new Error(`exited with ${program.child.exitCode}: ${args.join(' ')}\n${program.output}`);
        return existsSync(ready) && JSON.parse(readFileSync(ready, 'utf8'));
      });
    } catch (error) {
      program.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${program.output}`);
    }
    return program;
  }

  async terminate() {
    this.child.kill('SIGTERM');
    return this.exited;
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const startBackend = (...args) =>
  Program.start('backend', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--engine', 'memory', ...args);

export const ISSUER = 'https://login.example';
export const AUDIENCE = 'galaxy';

/** An EdDSA key for client tokens and the JWKS file a gateway reads. */
export class Keys {
  constructor() {
    this.folder = temporaryFolder();
    const pair = generateKeyPairSync('ed25519');
    this.key = pair.privateKey;
    this.jwks = join(this.folder, 'jwks.json');
    const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'test', alg: 'EdDSA', use: 'sig' };
    writeFileSync(this.jwks, JSON.stringify({ keys: [jwk] }));
  }

  token(user, session, over = {}) {
    const now = Math.floor(Date.now() / 1000);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = part({ alg: 'EdDSA', kid: 'test', typ: 'JWT' }) + '.' +
      part({ iss: ISSUER, aud: AUDIENCE, sub: user, sid: session, iat: now, exp: now + 3600, ...over });
    return text + '.' + sign(null, Buffer.from(text), this.key).toString('base64url');
  }
}

export const startGateway = (backend, keys, ...args) =>
  Program.start('gateway', ...(args.includes('--id') ? [] : ['--id', 'gw-1']), '--backend', backend.addresses.listen, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0',
    '--data', temporaryFolder(), '--jwks', keys.jwks, '--issuer', ISSUER, '--audience', AUDIENCE, ...args);

export async function ready(program) {
  await waitFor('/readyz', async () => (await fetch(`http://${program.addresses.admin}/readyz`)).status === 200);
}

async function post(address, path, value) {
  const answer = await fetch(`http://${address}${path}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value),
  });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Publishes one event, resolves with its cursor. */
export const publish = async (backend, event) =>
  (await post(backend.addresses.listen, '/v1/events', { kind: 'game.turn.ready', payload: {}, ...event })).cursor;
export const invalidate = async (backend, invalidation) =>
  (await post(backend.addresses.listen, '/v1/invalidations', invalidation)).cursor;
