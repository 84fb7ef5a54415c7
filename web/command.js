// The forms: publish an event to the user or one device; end the sign-in of one device or of all, as a producer, or as the identity provider.

import { post } from "./api.js";
import { make } from "./dom.js";
import { kindLabel } from "./words.js";

/** What each kind asks for: name, label, default, type; README.md has the payloads. */
const kFields = {
  "game.turn.ready": [["turn", "Turn", 7, "number"], ["deadline_s", "Orders due in, seconds", 3600, "number"]],
  "game.fleet.arrived": [["fleet", "Fleet", "Aurora"], ["system", "System", "Kepler-22"], ["ships", "Ships", 12, "number"]],
  "game.battle.report": [["system", "System", "Vega"], ["opponent", "Opponent", "The Hegemony"], ["winner", "Winner", ["you", "they", "nobody"]], ["losses", "Ships lost", 3, "number"]],
  "game.chat.message": [["from", "From", "Ada"], ["text", "Text", "Your move, commander."]],
};

/**
 * @param {string} name
 * @param {{value: string, label: string}[]} choices
 * @param {string} chosen
 */
function radios(name, choices, chosen) {
  return choices.map(({ value, label }) =>
    make("label", {}, make("input", { type: "radio", name, value, checked: value === chosen }), make("span", {}, label)));
}

/** @param {[string, string, any, string?]} field */
function input([name, label, value, type = "text"]) {
  const wide = name === "text" || name === "opponent";
  const control = Array.isArray(value)
    ? make("select", { name }, ...value.map((choice) => make("option", { value: choice }, choice)))
    : make("input", { name, type, value, autocomplete: "off", ...(type === "number" ? { min: 0, max: 1e6, inputmode: "numeric" } : { maxlength: 200 }) });
  return make("label", { class: wide ? "field wide" : "field" }, label, " ", control);
}

export class Command {
  /**
   * @param {{user: string, kinds: string[], identity_provider?: string}} config
   * @param {import("./device.js").Device[]} devices
   */
  constructor(config, devices) {
    this.config = config;
    this.devices = devices;
    this.publish = /** @type {HTMLFormElement} */ (document.getElementById("publish"));
    this.invalidate = /** @type {HTMLFormElement} */ (document.getElementById("invalidate"));
    this.logout = /** @type {HTMLFormElement} */ (document.getElementById("logout"));
    this.kinds = config.kinds.filter((kind) => kFields[kind]);
    document.getElementById("kinds").append(...radios("kind", this.kinds.map((kind) => ({ value: kind, label: kindLabel(kind) })), this.kinds[0]));
    document.getElementById("publish-to").append(...radios("to", this.targets("Both devices"), ""));
    document.getElementById("invalidate-who").append(...radios("who", this.targets("The whole user"), "1"));
    document.getElementById("logout-who").append(...radios("whose", this.targets("The whole user"), "1"));
    this.logout.hidden = !config.identity_provider;
    this.showFields();
    this.publish.addEventListener("change", ({ target }) => target.name === "kind" && this.showFields());
    this.publish.addEventListener("input", () => this.showSource());
    this.publish.addEventListener("submit", (event) => this.send(event, "publish", "/demo/events", () => this.event()));
    this.invalidate.addEventListener("submit", (event) => this.send(event, "invalidate", "/demo/invalidations", () => this.invalidation()));
    this.logout.addEventListener("submit", (event) => this.send(event, "logout", "/demo/logouts", () => this.signOut()));
  }

  /** @param {string} all what the choice of no single device is called */
  targets(all) {
    return [{ value: "", label: all }, ...this.devices.map(({ name }, index) => ({ value: String(index), label: name }))];
  }

  /**
   * @param {HTMLFormElement} form
   * @param {string} name
   */
  value(form, name) {
    return String(new FormData(form).get(name) ?? "");
  }

  /** @param {string} index of a device, empty for the whole user */
  target(index) {
    return { user_id: this.config.user, ...(index === "" ? {} : { device_session_id: this.devices[Number(index)].session }) };
  }

  showFields() {
    const fields = kFields[this.value(this.publish, "kind")] ?? [];
    document.getElementById("fields").replaceChildren(...fields.map(input));
    this.showSource();
  }

  showSource() {
    document.getElementById("publish-source").textContent = JSON.stringify(this.event(), null, 1);
  }

  event() {
    const kind = this.value(this.publish, "kind");
    const payload = Object.fromEntries((kFields[kind] ?? []).map(([name, , , type]) => {
      const text = this.value(this.publish, name);
      return [name, type === "number" ? Number(text) : text];
    }));
    return { ...this.target(this.value(this.publish, "to")), kind, payload };
  }

  invalidation() {
    return { ...this.target(this.value(this.invalidate, "who")), reason: this.value(this.invalidate, "reason") };
  }

  signOut() {
    return { session: this.target(this.value(this.logout, "whose")).device_session_id ?? "" };
  }

  /**
   * @param {SubmitEvent} event
   * @param {string} name
   * @param {string} path
   * @param {() => object} body
   */
  async send(event, name, path, body) {
    event.preventDefault();
    const answer = document.getElementById(`${name}-answer`);
    try {
      const { cursor, sentence } = await post(path, body());
      answer.dataset.tone = "good";
      answer.textContent = sentence ?? `In the log at ${cursor}`;
      if (name === "publish") this.nextTurn();
    } catch (error) {
      answer.dataset.tone = "bad";
      answer.textContent = `Refused: ${error.message}`;
    }
  }

  /** The next turn follows the last, so that publishing twice tells two turns apart. */
  nextTurn() {
    const turn = /** @type {HTMLInputElement | null} */ (this.publish.elements.namedItem("turn"));
    if (turn) turn.value = String(Number(turn.value) + 1);
    this.showSource();
  }
}
