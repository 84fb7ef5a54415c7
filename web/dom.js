// Making elements without innerHTML: what comes from outside can only ever be text.

/**
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
}

const kGlyphs = {
  "game.turn.ready": "M4 12a8 8 0 1 0 3-6.2M4 4v4.5h4.5M12 7.5V12l3 2",
  "game.fleet.arrived": "M12 3l7.5 17L12 16.2 4.5 20z",
  "game.battle.report": "M4 4l11 11M20 4L9 15M6 13l5 5M18 13l-5 5M5 19l2-2M19 19l-2-2",
  "game.chat.message": "M4 5h16v11H11l-4.5 4v-4H4z",
};
const kOther = "M12 4v16M4 12h16M6.5 6.5l11 11M17.5 6.5l-11 11";

/** @param {string} kind */
export function glyph(kind) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ class: "glyph", viewBox: "0 0 24 24", "aria-hidden": "true" })) svg.setAttribute(name, value);
  path.setAttribute("d", kGlyphs[kind] ?? kOther);
  svg.append(path);
  return svg;
}

/** @param {number} [at_ms] */
export function clock(at_ms = Date.now()) {
  const at = new Date(at_ms);
  return make("time", { datetime: at.toISOString() }, at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }));
}
