// One device of the player: a sign-in, an SDK client, and a view. Its cursor outlives sleep, not a new sign-in.

import { connect, memoryCursorStore } from "/sdk/index.js";
import { post } from "./api.js";
import { DeviceView } from "./device_view.js";
import { tamperingWebSocket } from "./tamper.js";
import { eventWords, stateWords } from "./words.js";

export class Device {
  /**
   * @param {object} parts
   * @param {{gateway: string, plane: string}} parts.config
   * @param {{session: string, name: string, gateway?: string, gateway_name?: string}} parts.who
   * @param {number} parts.index
   * @param {Element} parts.parent
   * @param {(text: string) => void} parts.speak
   */
  constructor({ config, who, index, parent, speak }) {
    Object.assign(this, { config, name: who.name, session: who.session, speak });
    this.gateway = who.gateway ?? config.gateway;
    this.at = who.gateway_name ? ` at ${who.gateway_name}` : "";
    this.client = null;
    this.token = null;  // of a new sign-in, for its first connect
    this.cursors = memoryCursorStore();
    this.view = new DeviceView(parent, index, who.name);
    this.tamper = tamperingWebSocket(() => this.view.spoiling(false));
    this.view.session(who.session + this.at);
    this.view.onClick(".sleep", () => this.client ? this.sleep() : this.wake());
    this.view.onClick(".spoil", () => this.spoil());
    this.view.onClick(".sign-in", () => this.signIn());
    this.wake();
  }

  wake() {
    this.view.asleep(false);
    this.client = connect({
      url: this.gateway,
      plane: this.config.plane,
      WebSocket: this.tamper.WebSocket,
      cursorStore: this.cursors,
      token: () => this.askToken(),
      onEvent: (event) => this.event(event),
      onRefused: (refused) => this.refused(refused),
      onGap: ({ reason }) => this.view.journal({ tone: "warn", word: `gap: ${reason}`, sentence: "Some events are gone for good; the game would reload its state now." }),
      onState: (state) => this.state(state),
      onError: ({ detail }) => this.view.journal({ tone: "warn", sentence: `${detail}.` }),
    });
  }

  async sleep() {
    const { client } = this;
    this.client = null;
    this.view.asleep(true);
    await client.close();
  }

  spoil() {
    this.tamper.spoil();
    this.view.spoiling(true);
  }

  /** The player, not the page, decides on a new sign-in after a revocation; an expired token is simply renewed. */
  async askToken() {
    if (this.client?.state.code_name === "session_revoked") return null;
    const token = this.token ?? (await post("/demo/token", { session: this.session })).token;
    this.token = null;
    return token;
  }

  async signIn() {
    try {
      const { token, session } = await post("/demo/token", { session: "new", name: this.name });
      Object.assign(this, { token, session, cursors: memoryCursorStore() });
      this.view.session(session + this.at);
      this.view.journal({ tone: "good", sentence: "Signed in again, as a new session." });
      this.wake();
      this.onSession?.();
    } catch (error) {
      this.view.journal({ tone: "bad", sentence: `Signing in failed: ${error.message}.` });
    }
  }

  event(event) {
    this.view.event(event);
    this.speak(`${this.name}: ${eventWords(event.kind, event.payload).title}, verified`);
  }

  refused(refused) {
    this.view.refused(refused);
    this.speak(`${this.name}: an event was refused`);
  }

  state(state) {
    const words = stateWords(state);
    this.view.state(state, words);
    if (state.name !== "connecting") this.speak(`${this.name}: ${words.pill}`);
  }
}
