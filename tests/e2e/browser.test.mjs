// The demo's page in headless Chromium: publish, see it verified; one byte altered on the way, see it refused; invalidate, see exactly
// one device cut off with the reason, and not reconnect (semantics.md 7.3, 8.1). SCREENSHOTS names a folder for pictures.
import assert from 'node:assert/strict';
import { connect as dial, createServer } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Program, waitFor } from '../support/galaxy.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
let demo, browser;

before(async () => { browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS }); });
after(async () => { await browser?.close(); });
// A demo of its own for each test: a session that one has invalidated stays so.
beforeEach(async () => { demo = await Program.start('demo', '--page', '127.0.0.1:0', '--listen', '127.0.0.1:0', '--traffic', '0s'); });
afterEach(async () => { await demo?.stop(); });

/** Opens the page and fails the test on any error of its own. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') page.faults.push(message.text()); });
  if (options.gateway) {
    await page.route('**/demo/config.json', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...await answer.json(), gateway: `http://${options.gateway}` } });
    });
  }
  await page.goto(demo.addresses.page);
  try {
    await page.waitForFunction(() => document.querySelectorAll('.device[data-state=live]').length === 2, null, { timeout: 20_000 });
  } catch (error) {
    throw new Error(`${error.message}\n${page.faults.join('\n')}\n${await page.locator('main').innerText()}`);
  }
  return page;
}

const device = (page, index) => page.locator('.device').nth(index);
const verified = async (page, index) => Number(await device(page, index).locator('.count-verified').textContent());
const refused = async (page, index) => Number(await device(page, index).locator('.count-refused').textContent());

async function publishOn(page, { to = '' } = {}) {
  await page.locator(`#publish input[name=to][value="${to}"]`).check({ force: true });
  await page.locator('#publish button.primary').click();
  await page.waitForFunction(() => /In the log at/.test(document.querySelector('#publish-answer').textContent));
}

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
}

test('an event for the user is verified on both devices, one for a device on that one only (7.3)', async () => {
  const page = await open();
  await publishOn(page);
  await waitFor('both verified', async () => await verified(page, 0) === 1 && await verified(page, 1) === 1);
  assert.match(await device(page, 0).locator('.stream li').first().textContent(), /Verified/);
  await publishOn(page, { to: '1' });
  await waitFor('the second device verified', async () => await verified(page, 1) === 2);
  await publishOn(page);
  await waitFor('both again', async () => await verified(page, 0) === 2 && await verified(page, 1) === 3);
  await picture(page, 'page-light');
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

/** A TCP proxy in front of the gateway that can alter one byte of the next payload on its way to the browser. */
async function tamperingProxy() {
  const [host, port] = demo.addresses.gateway.listen.split(':');
  const proxy = { armed: false, altered: 0, sockets: new Set() };
  proxy.server = createServer((client) => {
    const upstream = dial(Number(port), host);
    for (const socket of [client, upstream]) {
      proxy.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => { client.destroy(); upstream.destroy(); });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk) => {
      const at = proxy.armed ? chunk.indexOf('\\"turn\\":') : -1;
      if (at >= 0) {
        const digit = at + '\\"turn\\":'.length;
        chunk = Buffer.from(chunk);
        chunk[digit] = chunk[digit] === 0x39 ? 0x38 : chunk[digit] + 1;
        proxy.armed = false;
        proxy.altered++;
      }
      client.write(chunk);
    });
  });
  await new Promise((done) => proxy.server.listen(0, '127.0.0.1', done));
  proxy.address = `127.0.0.1:${proxy.server.address().port}`;
  proxy.close = () => { for (const socket of proxy.sockets) socket.destroy(); proxy.server.close(); };
  return proxy;
}

test('one byte altered on the way is refused by the browser, and the event is not shown as true', async () => {
  const proxy = await tamperingProxy();
  const page = await open({ gateway: proxy.address, bypassCSP: true });
  try {
    proxy.armed = true;
    await publishOn(page, { to: '0' });
    await waitFor('the altered event is refused', async () => await refused(page, 0) === 1);
    assert.equal(proxy.altered, 1);
    assert.equal(await verified(page, 0), 0);
    assert.match(await device(page, 0).locator('.stream li').first().textContent(), /Not verified/);
    await publishOn(page, { to: '0' });
    await waitFor('the next one is good', async () => await verified(page, 0) === 1);
    await picture(page, 'page-refused');
    assert.deepEqual(page.faults, []);
  } finally {
    await page.context().close();
    proxy.close();
  }
});

test('exactly one device is cut off with the reason, and does not reconnect (8.1)', async () => {
  const page = await open();
  const connects = [];
  page.on('websocket', (socket) => connects.push(socket.url()));
  await page.locator('#invalidate input[name=who][value="1"]').check({ force: true });
  await page.locator('#invalidate input[name=reason]').fill('lost on the night bus');
  await page.locator('#invalidate button').click();
  await page.waitForFunction(() => document.querySelectorAll('.device')[1].dataset.state === 'stopped');
  assert.match(await device(page, 1).textContent(), /lost on the night bus/);
  assert.ok(await device(page, 1).locator('.verdict').isVisible());
  const before = await verified(page, 1);
  await publishOn(page);
  await waitFor('the other device goes on', async () => await verified(page, 0) >= 1);
  // Longer than the SDK's first backoff of half a second: a reconnect would have come.
  await new Promise((done) => setTimeout(done, 3000));
  assert.equal(await device(page, 0).getAttribute('data-state'), 'live');
  assert.equal(await device(page, 1).getAttribute('data-state'), 'stopped');
  assert.equal(await verified(page, 1), before);
  assert.deepEqual(connects, []);
  await picture(page, 'page-cut-off');
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('the page works from the keyboard alone and in the dark', async () => {
  const page = await open({ colorScheme: 'dark' });
  const reach = async (selector) => {
    for (let i = 0; i < 60; i++) {
      if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`the keyboard does not reach ${selector}`);
  };
  await page.waitForFunction(() => document.querySelector('#publish button.primary'));
  await reach('#publish button.primary');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /In the log at/.test(document.querySelector('#publish-answer').textContent));
  await reach('#invalidate button');
  const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).backgroundColor);
  const light = [...background.matchAll(/rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)/g)].filter((m) => m[4] !== '0');
  assert.ok(light.some((m) => Number(m[1]) + Number(m[2]) + Number(m[3]) < 200), background);
  await picture(page, 'page-dark');
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
