// The cookie in headless Chromium, which decides what it sends and what a page may read: pages of a listed origin are signed in by it over
// SSE, WebSocket and the request proxy, pages of another origin are not (semantics.md 10.3).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Keys, ready, startBackend, startGateway } from '../support/galaxy.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const keys = new Keys();
let backend, gateway, browser, context, app;
const sites = {};

/** A site of nothing but a page, whose answer sets the cookie of its host. */
async function site(name) {
  const server = createServer((request, response) => {
    const cookie = `__Host-galaxy=${keys.token('ann', 'browser')}; Path=/; Secure; HttpOnly; SameSite=Strict`;
    response.writeHead(200, { 'content-type': 'text/html', ...request.url === '/login' && { 'set-cookie': cookie } }).end('<!doctype html><title>page</title>');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  sites[name] = { origin: `http://localhost:${server.address().port}`, server };
}

before(async () => {
  await site('listed');
  await site('other');
  app = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end(`${request.method} ${request.headers['x-galaxy-device-session-id']} ${request.headers['x-own'] ?? ''}`);
  });
  await new Promise((done) => app.listen(0, '127.0.0.1', done));
  backend = await startBackend();
  gateway = await startGateway(backend, keys, '--origins', sites.listed.origin, '--hello-timeout', '500ms', '--app', `http://127.0.0.1:${app.address().port}`);
  await ready(gateway);
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS });
  context = await browser.newContext();
});
after(async () => {
  await browser?.close();
  await gateway?.stop();
  await backend?.stop();
  app?.close();
  for (const { server } of Object.values(sites)) server.close();
});

/** A page of a site, in a browser that has the cookie, and where the gateway is as the browser sees it. */
async function open(name) {
  const page = await context.newPage();
  await page.goto(`${sites.listed.origin}/login`);
  await page.goto(`${sites[name].origin}/`);
  return [page, `localhost:${gateway.addresses.listen.split(':')[1]}`];
}

const firstFrame = async (url) => {
  try {
    const response = await fetch(url, { credentials: 'include', headers: { accept: 'text/event-stream' } });
    if (!response.ok) return `HTTP ${response.status}`;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; ;) {
      const { value, done } = await reader.read();
      if (done) return text;
      text += value;
      const line = /^data:(.*)\n/m.exec(text);
      if (line) { reader.cancel(); return line[1]; }
    }
  } catch (error) { return error.name; }
};
const eventSource = (url) => new Promise((resolve) => {
  const source = new EventSource(url, { withCredentials: true });
  source.onmessage = (event) => { source.close(); resolve(event.data); };
  source.onerror = () => { source.close(); resolve('error'); };
});
const webSocket = (url) => new Promise((resolve) => {
  const socket = new WebSocket(url, ['galaxy.push.v1']);
  socket.onmessage = (event) => { socket.close(); resolve(event.data); };
  socket.onclose = (event) => resolve(`closed ${event.code}`);
});
const put = async (url) => {
  try {
    const response = await fetch(url, { method: 'PUT', credentials: 'include', headers: { 'x-own': 'yes' }, body: 'b' });
    return `${response.status} ${await response.text()}`;
  } catch (error) { return error.name; }
};

test('a page of a listed origin is signed in by its cookie on every way that a browser has (10.3)', async () => {
  const [page, host] = await open('listed');
  assert.match(await page.evaluate(firstFrame, `http://${host}/v1/events`), /"welcome":{"session":"browser"/);
  assert.match(await page.evaluate(eventSource, `http://${host}/v1/events`), /"welcome":{"session":"browser"/);
  assert.match(await page.evaluate(webSocket, `ws://${host}/v1/events`), /"welcome":{"session":"browser"/);
  assert.equal(await page.evaluate(put, `http://${host}/api/x`), '200 PUT browser yes');
  await page.close();
});

test('a page of another origin is not, though the browser sends the cookie along (10.3)', async () => {
  const [page, host] = await open('other');
  const ignored = async () => Number(/^galaxy_push_edge_cookies_ignored_total (\d+)/m.exec(await (await fetch(`http://${gateway.addresses.admin}/metrics`)).text())[1]);
  const before = await ignored();
  assert.equal(await page.evaluate(firstFrame, `http://${host}/v1/events`), 'TypeError');
  assert.equal(await page.evaluate(eventSource, `http://${host}/v1/events`), 'error');
  assert.match(await page.evaluate(webSocket, `ws://${host}/v1/events`), /"bye":{"code":4408/);
  assert.equal(await page.evaluate(put, `http://${host}/api/x`), 'TypeError');
  assert.ok(await ignored() >= before + 3, 'the browser sent it');
  await page.close();
});
