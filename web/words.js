// States and events as sentences. Pure: values in, text out.

const kTransports = { websocket: "WebSocket", sse: "Server-Sent Events" };
const seconds = (ms) => ms < 1000 ? "under a second" : ms < 1500 ? "1 second" : `${Math.round(ms / 1000)} seconds`;

const kKinds = {
  "game.turn.ready": { label: "Turn ready", title: ({ turn }) => `Turn ${turn} is ready`, text: ({ deadline_s }) => deadline_s ? `Orders are due in ${duration(deadline_s)}` : "" },
  "game.fleet.arrived": { label: "Fleet arrived", title: ({ fleet, system }) => `Fleet ${fleet} reached ${system}`, text: ({ ships }) => typeof ships === "number" ? `${ships} ${ships === 1 ? "ship" : "ships"} in orbit` : "" },
  "game.battle.report": { label: "Battle report", title: ({ system, winner }) => `${kOutcomes[winner] ?? "Battle"} at ${system}`, text: ({ opponent, losses }) => `Against ${opponent}, ${losses || "no"} ${losses === 1 ? "ship" : "ships"} lost` },
  "game.chat.message": { label: "Chat", title: ({ from }) => `${from} writes`, text: ({ text }) => `“${text}”` },
};
const kOutcomes = { you: "Victory", they: "Defeat", nobody: "Stalemate" };

function duration(s) {
  if (s < 120) return `${Math.round(s)} seconds`;
  if (s < 7200) return `${Math.round(s / 60)} minutes`;
  return `${Math.round(s / 3600)} hours`;
}

/** @param {string} kind */
export function kindLabel(kind) {
  return kKinds[kind]?.label ?? kind;
}

/**
 * @param {string} kind
 * @param {string | null} payload
 * @returns {{title: string, text: string}}
 */
export function eventWords(kind, payload) {
  try {
    const content = JSON.parse(payload);
    const { title, text } = kKinds[kind];
    const words = { title: title(content), text: text(content) };
    if (!/undefined|null|\[object/.test(words.title + words.text)) return words;
  } catch {}
  return { title: kindLabel(kind), text: payload ? payload.slice(0, 200) : "A payload that is not text" };
}

const kRefusals = {
  bad_signature: "its signature does not cover these bytes",
  bad_path: "its proof does not lead to a signed root",
  unknown_kid: "no trusted key signed it",
  malformed: "it is not a whole envelope",
  foreign_issuer: "another plane signed it",
  foreign_user: "it is meant for another user",
  foreign_session: "it is meant for another device",
  clock_skew: "this device’s clock is wrong",
  stale: "it was signed too long ago",
};

/** @param {string} reason */
export function refusalWords(reason) {
  return kRefusals[reason] ?? "it could not be checked";
}

const kEnds = {
  drain: "the gateway is being replaced",
  slow_consumer: "this device read too slowly",
  too_many: "too many connections",
  stale: "the gateway cannot vouch for sessions at the moment",
  bad_request: "the gateway did not understand this client",
  unauthenticated: "the gateway does not accept this sign-in",
  token_expired: "the sign-in expired",
  session_revoked: "the sign-in was revoked",
  unvouched: "the gateway can no longer vouch for this sign-in",
  hello_timeout: "the hello came too late",
};
const endWords = ({ code_name, reason }) => kEnds[code_name] ?? reason ?? "the connection ended";
const quoted = ({ code_name, reason }) => reason && code_name === "session_revoked" && reason !== code_name ? ` Reason given: “${reason}”.` : "";

const verdict = (state) => state.verdict ? `verdict ${state.verdict}` : "";

/** @typedef {{tone: "good" | "warn" | "bad" | "quiet", pill: string, word: string, sentence: string}} StateWords */

/**
 * @param {any} state of the SDK
 * @returns {StateWords}
 */
export function stateWords(state) {
  const over = kTransports[state.transport] ?? "";
  switch (state.name) {
    case "connecting":
      if (state.verdict === "reauthenticate") return { tone: "warn", pill: "Signing in", word: "verdict reauthenticate", sentence: `Cut off: ${endWords(state)}.${quoted(state)} A new sign-in is needed first.` };
      return { tone: "quiet", pill: "Connecting", word: "", sentence: `Connecting over ${over}.` };
    case "replaying":
      return { tone: "warn", pill: "Catching up", word: "resumed", sentence: `Connected over ${over}. The gateway replays what was missed, signed anew.` };
    case "live":
      return { tone: "good", pill: "Live", word: state.resume, sentence: kLive[state.resume](over) };
    case "waiting":
      return { tone: "warn", pill: "Reconnecting", word: verdict(state), sentence: `Lost: ${endWords(state)}. Trying again in ${seconds(state.retry_in_ms)}.` };
    case "offline":
      return { tone: "warn", pill: "Offline", word: verdict(state), sentence: "The network is away. The device resumes as soon as it is back." };
    case "paused":
      return { tone: "quiet", pill: "Paused", word: "", sentence: "The browser put this page aside. It resumes from its cursor when the page returns." };
    case "stopped":
      return { tone: "bad", pill: state.verdict === "never" ? "Cut off" : "Signed out", word: verdict(state), sentence: `Cut off: ${endWords(state)}.${quoted(state)}` };
    default:
      return { tone: "quiet", pill: "Asleep", word: "", sentence: "Asleep. The cursor is kept; what happens now is replayed on waking." };
  }
}

const kLive = {
  fresh: (over) => `Connected over ${over}. A fresh start: events from now on.`,
  resumed: () => "Caught up. Nothing was missed; events are live.",
  gap: (over) => `Connected over ${over}, with a gap: older events are no longer held, so the game reloads its state.`,
};

/**
 * What a stopped device is told.
 * @param {any} state
 */
export function verdictWords({ code_name, verdict, reason }) {
  if (code_name === "session_revoked" && verdict === "never")
    return { title: "This device was cut off", text: `The gateway revoked this one session${reason ? `, “${reason}”` : ""}, and said never: it does not try again. The other device is untouched.` };
  if (code_name === "session_revoked")
    return { title: "Everyone was signed out", text: `Every session of this user that began before is void${reason ? `, “${reason}”` : ""}. The verdict is reauthenticate: a new sign-in is welcome.` };
  if (verdict === "reauthenticate") return { title: "Signed out", text: "The verdict is reauthenticate: a new sign-in is welcome." };
  return { title: "Stopped", text: reason ?? "The gateway said never." };
}
