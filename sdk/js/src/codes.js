// Close codes and verdicts of docs/edge-protocol.md: how any end of a connection becomes one of three decisions.

/** @type {Record<number, {name: string, verdict: import("./types.js").Verdict}>} */
const kCodes = {
  1001: { name: "drain", verdict: "resume" },
  4307: { name: "redirected", verdict: "resume" },
  4408: { name: "hello_timeout", verdict: "resume" },
  4413: { name: "slow_consumer", verdict: "resume" },
  4421: { name: "wrong_partition", verdict: "resume" },
  4429: { name: "too_many", verdict: "resume" },
  4453: { name: "stale", verdict: "resume" },
  4500: { name: "bad_request", verdict: "never" },
  4501: { name: "unauthenticated", verdict: "reauthenticate" },
  4502: { name: "token_expired", verdict: "reauthenticate" },
  4503: { name: "session_revoked", verdict: "never" },
  4504: { name: "unvouched", verdict: "reauthenticate" },
};
const kVerdicts = ["resume", "reauthenticate", "never"];

/** @param {number | undefined} code */
export function codeName(code) {
  return code === undefined ? undefined : kCodes[code]?.name;
}

/** @param {string} name */
export function codeOfName(name) {
  const found = Object.entries(kCodes).find(([, entry]) => entry.name === name);
  return found ? Number(found[0]) : undefined;
}

/**
 * The verdict given, where it is one we know; else the code's own; else what its range says.
 * @param {number | undefined} code
 * @param {unknown} [given]
 * @returns {import("./types.js").Verdict}
 */
export function verdictOf(code, given) {
  if (kVerdicts.includes(/** @type {string} */ (given))) return /** @type {import("./types.js").Verdict} */ (given);
  if (code === undefined) return "resume";
  if (kCodes[code]) return kCodes[code].verdict;
  return code >= 4500 && code <= 4999 ? "reauthenticate" : "resume";
}

/**
 * The same for an HTTP refusal without a problem body that says it.
 * @param {number} status
 */
export function codeOfStatus(status) {
  if (status === 400) return 4500;
  if (status === 401 || status === 403) return 4501;
  if (status === 421) return 4421;
  if (status === 429) return 4429;
  return undefined;
}
