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
export function openWebSocket({ url, token, cursor, WebSocket }: {
    url: URL;
    token: string | null;
    cursor: string;
    WebSocket: any;
}, listener: Listener): Connection;
export type Listener = {
    onFrame: (frame: Record<string, any>) => void;
    onBadFrame: (detail: string) => void;
    onEnd: (end: import("./session.js").End) => void;
};
export type Connection = {
    send: (frame: object) => void;
    close: () => void;
};
