// A hostile network, played on this page: a WebSocket that flips one bit of the next event's payload after it came off
// the wire and before the SDK sees it. What the SDK then does is no play.

/**
 * @returns {{WebSocket: typeof WebSocket, spoil: () => void, armed: () => boolean}}
 */
export function tamperingWebSocket(onDone = () => {}) {
  let armed = false;
  class TamperingWebSocket extends WebSocket {
    addEventListener(type, listener, options) {
      if (type !== "message") return super.addEventListener(type, listener, options);
      super.addEventListener("message", (event) => listener({ data: pass(event.data) }), options);
    }
  }
  const pass = (text) => {
    const spoiled = armed ? flipped(text) : text;
    if (spoiled !== text) {
      armed = false;
      onDone();
    }
    return spoiled;
  };
  return { WebSocket: TamperingWebSocket, spoil: () => (armed = true), armed: () => armed };
}

/**
 * @param {string} text of a frame
 * @returns {string} the same but for one bit of the payload's last letter or digit, when it is an event
 */
export function flipped(text) {
  const frame = JSON.parse(text);
  if (!frame.event?.payload) return text;
  const at = frame.event.payload.search(/[A-Za-z0-9][^A-Za-z0-9]*$/);
  if (at < 0) return text;
  const payload = frame.event.payload;
  frame.event.payload = payload.slice(0, at) + String.fromCharCode(payload.charCodeAt(at) ^ 1) + payload.slice(at + 1);
  return JSON.stringify(frame);
}
