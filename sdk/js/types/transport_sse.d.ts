/**
 * @param {{url: URL, token: string | null, cursor: string, fetch: typeof fetch}} target
 * @param {import("./transport_websocket.js").Listener} listener
 * @returns {import("./transport_websocket.js").Connection}
 */
export function openSse(target: {
    url: URL;
    token: string | null;
    cursor: string;
    fetch: typeof fetch;
}, listener: import("./transport_websocket.js").Listener): import("./transport_websocket.js").Connection;
