// `galaxy-push demo --tls` as a reviewer runs it: the browser that it prints, the page over https, and a Back-Channel Logout of the
// identity provider that ends a session in every tab (semantics.md 8.1, 10.1). SCREENSHOTS names a folder for pictures.
import assert from 'node:assert/strict';
import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { get } from 'node:https';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Program, waitFor } from '../support/galaxy.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let demo, browser;

before(async () => {
  demo = await Program.start('demo', '--tls', '--page', '127.0.0.1:0', '--traffic', '0s');
  await waitFor('the welcome', () => /Ctrl-C/.test(demo.output));
  // What it printed can be pasted: nothing but this flag makes the browser believe the certificate.
  const [flag] = demo.output.match(/--ignore-certificate-errors-spki-list=\S+/);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: [...FLAGS, flag] });
});
after(async () => { await browser?.close(); await demo?.stop(); });

async function open(context) {
  const page = await context.newPage();
  page.faults = [];
  page.sockets = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') page.faults.push(message.text()); });
  page.on('websocket', (socket) => page.sockets.push(socket.url()));
  await page.goto(demo.addresses.page);
  await until(page, () => document.querySelectorAll('.device[data-state=live]').length === 2);
  return page;
}

// Not by animation frames, which a tab in the background does not get.
const until = (page, condition) => page.waitForFunction(condition, null, { timeout: 20_000, polling: 20 });
const device = (page, index) => page.locator('.device').nth(index);
const state = (page, index) => device(page, index).getAttribute('data-state');
const picture = async (page, name) => {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
};

async function signOut(page, who) {
  await page.locator(`#logout input[name=whose][value="${who}"]`).check({ force: true });
  await page.locator('#logout button').click();
  await until(page, () => document.querySelector('#logout-answer').dataset.tone);
  return page.locator('#logout-answer').textContent();
}

test('a Back-Channel Logout ends one session in every tab, and the next one every session', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  const [page, other] = [await open(context), await open(context)];
  assert.ok(demo.addresses.page.startsWith('https://'));
  assert.equal(page.sockets.length, 2);
  assert.ok(page.sockets.every((url) => url.startsWith(`wss://${demo.addresses.gateway.listen}/`)), page.sockets.join());

  const sentence = await signOut(page, '1');
  assert.match(sentence, /Back-Channel Logout of pocket-phone: .* closed a connection of it after [\d.]+ ms \(4503, verdict never\)/);
  for (const tab of [page, other]) {
    await until(tab, () => document.querySelectorAll('.device')[1].dataset.state === 'stopped');
    assert.match(await device(tab, 1).locator('.verdict').textContent(), /This device was cut off.*“logout”/);
    assert.match(await device(tab, 1).locator('.journal').textContent(), /verdict never/);
    assert.equal(await state(tab, 0), 'live');
  }
  await waitFor('the terminal says so', () => demo.output.includes(sentence));
  await picture(page, 'demo-tls-signed-out');

  // The other device goes on: what is published now is verified there, and not on the one that is out.
  await page.locator('#publish button.primary').click();
  await waitFor('the tablet verified it', async () => await device(page, 0).locator('.count-verified').textContent() === '1');
  assert.equal(await device(page, 1).locator('.count-verified').textContent(), '0');

  assert.match(await signOut(other, ''), /every session of commander-7: .* \(4503, verdict reauthenticate\)/);
  for (const tab of [page, other]) await until(tab, () => document.querySelectorAll('.device[data-state=stopped]').length === 2);
  for (const tab of [page, other]) assert.deepEqual(tab.faults, []);
  await picture(page, 'demo-tls-everyone-out');
  await context.close();
});

test('the page is on TLS by the CA that the demo names, its keys are private, and plaintext gets nothing', async () => {
  const ca = readFileSync(demo.addresses.ca);
  const status = await new Promise((done, failed) => get(demo.addresses.page, { ca }, (answer) => { answer.resume(); done(answer.statusCode); }).on('error', failed));
  assert.equal(status, 200);
  await assert.rejects(new Promise((done, failed) => get(demo.addresses.page, done).on('error', failed)), /certificate/);
  // The operator's command can be pasted; without its certificate the same is refused.
  const curl = demo.output.match(/curl (--cacert \S+)( --cert \S+ --key \S+) '(\S+)'/);
  const run = (text) => execFileSync('curl', ['-s', ...text.trim().split(' '), curl[3]], { encoding: 'utf8' });
  assert.ok('sessions' in JSON.parse(run(curl[1] + curl[2])));
  assert.equal(JSON.parse(run(curl[1])).status, 401);
  await assert.rejects(fetch(demo.addresses.page.replace('https', 'http')));
  const folder = demo.addresses.ca.replace(/\/ca\.crt$/, '');
  for (const key of ['ca.key', 'server.key', 'producer.key', 'operator.key', 'demo-gateway.key'])
    assert.equal(statSync(join(folder, key)).mode & 0o777, 0o600, key);
  const spki = new X509Certificate(readFileSync(join(folder, 'server.crt'))).publicKey.export({ type: 'spki', format: 'der' });
  assert.ok(demo.output.includes(`spki-list=${createHash('sha256').update(spki).digest('base64')} `));
});
