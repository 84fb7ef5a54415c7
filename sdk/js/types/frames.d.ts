/**
 * @param {unknown} text
 * @returns {{frame: Record<string, any>} | {bad: string}} an object with exactly one member that is an object, or what is wrong
 */
export function readFrame(text: unknown): {
    frame: Record<string, any>;
} | {
    bad: string;
};
