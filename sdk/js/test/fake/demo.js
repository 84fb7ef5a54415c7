// The server of the demo page (web/README.md) before a fake gateway: what `galaxy-push demo` is, for work on the page.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { FakeGateway } from "./gateway.js";

const kTypes = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const kRoots = { "/sdk/": new URL("../../src/", import.meta.url), "/": new URL("../../../../web/", import.meta.url) };
const kUser = "commander-7";
const kKinds = ["game.turn.ready", "game.fleet.arrived", "game.battle.report", "game.chat.message"];
const kTraffic = [
  ["game.fleet.arrived", { fleet: "Aurora", system: "Kepler-22", ships: 12 }],
  ["game.chat.message", { from: "Ada", text: "They are massing at Vega." }],
  ["game.battle.report", { system: "Vega", opponent: "The Hegemony", winner: "you", losses: 3 }],
  ["game.turn.ready", { turn: 42, deadline_s: 5400 }],
];

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString() || "null");
}

export async function serveDemo({ traffic = false, gateway_options = {} } = {}) {
  const gateway = await new FakeGateway(gateway_options).listen();
  const devices = [{ session: "bridge-tablet-01", name: "Bridge tablet" }, { session: "pocket-phone-02", name: "Pocket phone" }];
  const csp = `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${gateway.url} ${gateway.url.replace("http", "ws")}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  let signins = 0;
  const answers = {
    "GET /demo/config.json": () => ({ gateway: gateway.url, plane: gateway.plane, user: kUser, devices, kinds: kKinds }),
    "POST /demo/token": ({ session, name }) => {
      if (session !== "new") return { token: gateway.token(kUser, session) };
      const fresh = `${name.toLowerCase().replaceAll(" ", "-")}-again-${++signins}`;
      return { token: gateway.token(kUser, fresh), session: fresh };
    },
    "POST /demo/events": (event) => gateway.publish({ ...event, payload: JSON.stringify(event.payload) })[0],
    "POST /demo/invalidations": (invalidation) => gateway.invalidate(invalidation),
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://page");
    const head = { "content-security-policy": csp, "x-content-type-options": "nosniff", "cache-control": "no-store" };
    const answer = answers[`${request.method} ${pathname}`];
    try {
      if (answer) return response.writeHead(200, { ...head, "content-type": "application/json" }).end(JSON.stringify(answer(await bodyOf(request))));
      const root = pathname.startsWith("/sdk/") ? "/sdk/" : "/";
      const name = normalize(pathname.slice(root.length) || "index.html");
      const body = await readFile(fileURLToPath(new URL(name, kRoots[root])));
      response.writeHead(200, { ...head, "content-type": kTypes[extname(name)] ?? "text/plain" }).end(body);
    } catch {
      response.writeHead(404, head).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  let next = 0;
  const publish = () => {
    const [kind, payload] = kTraffic[next++ % kTraffic.length];
    gateway.publish({ user_id: kUser, kind, payload: JSON.stringify(payload) });
  };
  const timer = traffic ? setInterval(publish, 3_000) : undefined;
  return {
    gateway, publish, page: `http://127.0.0.1:${server.address().port}/`,
    close: async () => {
      clearInterval(timer);
      server.closeAllConnections();
      server.close();
      await gateway.close();
    },
  };
}
