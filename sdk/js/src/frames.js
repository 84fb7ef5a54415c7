// A frame of docs/edge-protocol.md from its text. Both transports read them here.

const kFrameCharsMax = 4 * 1024 * 1024;

/**
 * @param {unknown} text
 * @returns {{frame: Record<string, any>} | {bad: string}} an object with exactly one member that is an object, or what is wrong
 */
export function readFrame(text) {
  if (typeof text !== "string") return { bad: "not a text frame" };
  if (text.length > kFrameCharsMax) return { bad: `longer than ${kFrameCharsMax} characters` };
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return { bad: "not JSON" };
  }
  if (typeof frame !== "object" || frame === null || Array.isArray(frame)) return { bad: "not an object" };
  const contents = Object.values(frame);
  if (contents.length !== 1) return { bad: `${contents.length} members, not one` };
  if (typeof contents[0] !== "object" || contents[0] === null) return { bad: "its content is not an object" };
  return { frame };
}
