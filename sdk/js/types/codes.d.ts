/** @param {number | undefined} code */
export function codeName(code: number | undefined): string | undefined;
/** @param {string} name */
export function codeOfName(name: string): number | undefined;
/**
 * The verdict given, where it is one we know; else the code's own; else what its range says.
 * @param {number | undefined} code
 * @param {unknown} [given]
 * @returns {import("./types.js").Verdict}
 */
export function verdictOf(code: number | undefined, given?: unknown): import("./types.js").Verdict;
/**
 * The same for an HTTP refusal without a problem body that says it.
 * @param {number} status
 */
export function codeOfStatus(status: number): 4421 | 4429 | 4500 | 4501 | undefined;
