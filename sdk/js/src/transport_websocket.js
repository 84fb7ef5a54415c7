// One connection over WebSocket, subprotocol galaxy.push.v1. The token travels in the first frame, never in the URL.
//
//   Errors   Everything that goes wrong is an onEnd(), once; after close() nothing is reported any more.

import { readFrame } from "./frames.js";

const kProtocol = "galaxy.push.v1";

/**
 * @typedef {object} Listener
 * @property {(frame: Record<string, any>) => void} onFrame
 * @property {(detail: string) => void} onBadFrame
 * @property {(end: import("./session.js").End) => void} onEnd
 *
 * @typedef {object} Connection
 * @property {(frame: object) => void} send
 * @property {() => void} close
 */

/**
 * @param {{url: URL, token: string | null, cursor: string, WebSocket: any}} target
 * @param {Listener} listener
 * @returns {Connection}
 */
export function openWebSocket({ url, token, cursor, WebSocket }, listener) {
  const address = new URL(url);
  address.protocol = address.protocol.replace("http", "ws");
  if (token === null && cursor !== "") address.searchParams.set("cursor", cursor);  // the cookie speaks, no hello
  const socket = new WebSocket(address.href, [kProtocol]);
  let over = false;
  /** @param {import("./session.js").End} end */
  const finish = (end) => {
    if (over) return;
    over = true;
    listener.onEnd(end);
  };
  socket.addEventListener("open", () => {
    if (over) return;
    if (socket.protocol !== kProtocol) return finish({ reason: `the server does not speak ${kProtocol}` });
    if (token !== null) socket.send(JSON.stringify({ hello: cursor === "" ? { token } : { token, cursor } }));
  });
  socket.addEventListener("message", (/** @type {MessageEvent} */ event) => {
    if (over) return;
    const read = readFrame(event.data);
    if ("frame" in read) listener.onFrame(read.frame);
    else listener.onBadFrame(read.bad);
  });
  socket.addEventListener("error", () => {});  // a close follows and says as much as there is to know
  socket.addEventListener("close", (/** @type {CloseEvent} */ event) =>
      finish({ code: event.code, reason: event.reason || "the connection was lost", said: event.code >= 4000 }));
  return {
    send: (frame) => socket.readyState === 1 && socket.send(JSON.stringify(frame)),
    close: () => {
      over = true;
      socket.close(1000);
    },
  };
}
