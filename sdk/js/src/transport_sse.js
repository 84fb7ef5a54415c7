// One connection over Server-Sent Events, read with fetch: unlike EventSource it can send Authorization, works in
// Node 20, and shows why it was refused.
//
//   Errors   As in transport_websocket.js. A refusal is an RFC 9457 problem with `code` and `verdict`; where a proxy
//            answered instead, the HTTP status decides.

import { codeName, codeOfName, codeOfStatus } from "./codes.js";
import { readFrame } from "./frames.js";
import { SseParser } from "./sse_parser.js";

/**
 * @param {{url: URL, token: string | null, cursor: string, fetch: typeof fetch}} target
 * @param {import("./transport_websocket.js").Listener} listener
 * @returns {import("./transport_websocket.js").Connection}
 */
export function openSse(target, listener) {
  const abort = new AbortController();
  /** @type {import("./transport_websocket.js").Listener} */
  const guarded = {
    onFrame: (frame) => abort.signal.aborted || listener.onFrame(frame),
    onBadFrame: (detail) => abort.signal.aborted || listener.onBadFrame(detail),
    onEnd: (end) => abort.signal.aborted || listener.onEnd(end),
  };
  run(target, abort.signal, guarded).then(
      (end) => guarded.onEnd(end),
      (error) => guarded.onEnd({ reason: `the connection was lost: ${error.message}` }));
  return { send: () => {}, close: () => abort.abort() };
}

/**
 * @param {{url: URL, token: string | null, cursor: string, fetch: typeof fetch}} target
 * @param {AbortSignal} signal
 * @param {import("./transport_websocket.js").Listener} listener
 * @returns {Promise<import("./session.js").End>}
 */
async function run({ url, token, cursor, fetch }, signal, listener) {
  /** @type {Record<string, string>} */
  const headers = { accept: "text/event-stream, application/problem+json" };  // told where to go, not taken there
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (cursor !== "") headers["last-event-id"] = cursor;
  const credentials = token === null ? "include" : "omit";
  const response = await fetch(url, { headers, signal, credentials, cache: "no-store" });
  if (!response.ok) return refusal(response);
  if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body)
    return { reason: "the server does not answer with an event stream" };
  return read(response.body, signal, listener);
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal} signal
 * @param {import("./transport_websocket.js").Listener} listener
 */
async function read(body, signal, listener) {
  const parser = new SseParser((data) => {
    const frame = readFrame(data);
    if ("frame" in frame) listener.onFrame(frame.frame);
    else listener.onBadFrame(frame.bad);
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || signal.aborted) break;
    parser.push(decoder.decode(value, { stream: true }));
  }
  return { reason: "the stream ended", retry_after_ms: parser.retry_ms };
}

/**
 * @param {Response} response
 * @returns {Promise<import("./session.js").End>}
 */
async function refusal(response) {
  const problem = await response.json().catch(() => null);
  const said = typeof problem?.code === "number" || typeof problem?.code === "string";
  const code = typeof problem?.code === "string" ? codeOfName(problem.code) : problem?.code ?? codeOfStatus(response.status);
  const retry_s = Number(response.headers.get("retry-after"));
  return {
    code, said,
    code_name: typeof problem?.code === "string" ? problem.code : codeName(code),
    reason: problem?.detail || problem?.title || `HTTP ${response.status}`,
    verdict: problem?.verdict,
    url: problem?.url,
    retry_after_ms: retry_s > 0 ? retry_s * 1000 : undefined,
  };
}
