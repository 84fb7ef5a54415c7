// When to try again and when to ask for a new token, as pure functions; all in milliseconds.

export const kHeartbeatMs = 25_000;
export const kStableMs = 10_000;     // a connection that lived this long ends a row of failures
export const kMinRetryMs = 1_000;    // between two attempts, whatever wakes the client
const kRefreshLeadMs = 60_000;
const kRefreshMinMs = 1_000;
const kTimerMaxMs = 0x7fffffff;      // setTimeout turns anything longer into "at once"

/**
 * Exponential backoff with full jitter.
 * @param {number} attempt failed attempts before this one
 * @param {number} min_ms
 * @param {number} max_ms
 * @param {() => number} random
 */
export function backoffMs(attempt, min_ms, max_ms, random) {
  return Math.floor(random() * Math.min(max_ms, min_ms * 2 ** Math.min(attempt, 30)));
}

/**
 * A minute before the token expires, or a fifth of what is left of a short one.
 * @param {number} left_ms
 */
export function refreshInMs(left_ms) {
  const lead_ms = Math.min(kRefreshLeadMs, left_ms / 5);
  return Math.min(kTimerMaxMs, Math.max(kRefreshMinMs, Math.floor(left_ms - lead_ms)));
}
