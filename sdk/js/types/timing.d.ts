/**
 * Exponential backoff with full jitter.
 * @param {number} attempt failed attempts before this one
 * @param {number} min_ms
 * @param {number} max_ms
 * @param {() => number} random
 */
export function backoffMs(attempt: number, min_ms: number, max_ms: number, random: () => number): number;
/**
 * A minute before the token expires, or a fifth of what is left of a short one.
 * @param {number} left_ms
 */
export function refreshInMs(left_ms: number): number;
export const kHeartbeatMs: 25000;
export const kStableMs: 10000;
export const kMinRetryMs: 1000;
