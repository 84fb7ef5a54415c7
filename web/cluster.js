// The processes behind the page (make cluster): who leads, who serves whom, and a way to kill one. Not there in the demo of one process.

import { post } from "./api.js";
import { make } from "./dom.js";

const kPollMs = 500;
const kTone = { ready: "good", "not ready": "warn", starting: "warn", down: "bad" };

const kLog = /-log$/;
const streamName = (name) => kLog.test(name) ? "the log" : "its invalidations";

/** What each kind of process is doing, in a few words. */
const roles = {
  servers: ({ leads, state }) => leads.length ? `leads ${leads.map(streamName).sort().reverse().join(" and ")}` : state === "ready" ? "follows" : state,
  backends: ({ gateways, state, why }) => gateways.length ? `serves ${gateways.join(", ")}` : state === "ready" ? "stands by" : why || state,
  gateways: ({ backend, state, why }) => backend ? `hears ${backend}` : why || (state === "ready" ? "between backends" : state),
};
const titles = { servers: ["nats-server", "keep the log, three copies"], backends: ["backend", "any of them takes and serves"], gateways: ["gateway", "one device at each"] };

/** One process; its element stays, so that a button keeps its focus. */
class Node {
  constructor(parent, kind, name, speak) {
    Object.assign(this, { kind, name, state: "", speak });
    this.role = make("p", { class: "node-role" });
    this.address = make("p", { class: "session" });
    this.pill = make("span", { class: "pill-text" });
    this.button = make("button", { type: "button" });
    this.button.addEventListener("click", () => this.act());
    this.element = make("li", { class: "node" },
      make("div", { class: "node-head" }, make("b", {}, name), make("span", { class: "pill" }, make("span", { class: "dot", "aria-hidden": "true" }), this.pill)),
      this.role, this.address, this.button);
    parent.append(this.element);
  }

  show(row) {
    const role = roles[this.kind](row);
    this.element.dataset.tone = kTone[row.state] ?? "quiet";
    this.element.toggleAttribute("data-leads", Boolean(row.leads?.some((name) => kLog.test(name)) || row.gateways?.length));
    if (this.role.textContent && role !== this.role.textContent) this.speak(`${this.name}: ${role}`);
    this.role.textContent = role;
    this.address.textContent = row.address;
    this.pill.textContent = row.state;
    this.state = row.state;
    const word = row.state === "down" ? "Start" : "Kill";
    if (this.button.textContent !== word) {
      this.button.textContent = word;
      this.button.setAttribute("aria-label", `${word} ${this.name}`);
      this.button.className = word === "Kill" ? "danger" : "";
    }
  }

  async act() {
    this.button.disabled = true;
    try {
      this.speak((await post("/demo/cluster", { name: this.name, do: this.state === "down" ? "start" : "kill" })).sentence);
    } catch (error) {
      this.role.textContent = error.message;
    } finally {
      this.button.disabled = false;
    }
  }
}

/**
 * @param {Element} parent
 * @param {(text: string) => void} speak
 */
export function showCluster(parent, speak) {
  const nodes = new Map();
  const told = make("p", { class: "hint cluster-told" });
  const rows = Object.fromEntries(Object.entries(titles).map(([kind, [title, hint]]) => {
    const list = make("ol", { class: "nodes" });
    parent.append(make("section", {}, make("h3", {}, title), make("p", { class: "hint" }, hint), list));
    return [kind, list];
  }));
  parent.prepend(make("h2", {}, "The plane"), told);
  parent.hidden = false;

  const look = async () => {
    try {
      const response = await fetch("/demo/cluster", { cache: "no-store" });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const state = await response.json();
      for (const [kind, list] of Object.entries(rows))
        for (const row of state[kind]) {
          if (!nodes.has(row.name)) nodes.set(row.name, new Node(list, kind, row.name, speak));
          nodes.get(row.name).show(row);
        }
      const led = state.servers.some(({ leads }) => leads.some((name) => kLog.test(name)));
      told.textContent = `${state.acknowledged} sample events acknowledged, the newest ${(state.silent_ms / 1000).toFixed(1)} s ago.${led ? "" : " No server leads the log at this moment: publishes wait, nothing is lost."}`;
      told.dataset.tone = led ? "quiet" : "warn";
    } catch (error) {
      told.textContent = `What the processes do is not known: ${error.message}.`;
      told.dataset.tone = "bad";
    }
    window.setTimeout(look, kPollMs);
  };
  look();
}
