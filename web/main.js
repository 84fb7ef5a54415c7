// Puts the page together: configuration, two devices, the forms, and one voice for screen readers.

import { config } from "./api.js";
import { showCluster } from "./cluster.js";
import { Command } from "./command.js";
import { Device } from "./device.js";
import { make } from "./dom.js";

const kSpeakEveryMs = 4_000;

/** One polite voice for both streams: the last thing that happened, and how many more, at most every four seconds. */
function voice() {
  const place = document.getElementById("spoken");
  let last = "", more = 0, timer = 0;
  const say = () => {
    place.textContent = more > 0 ? `${last}; ${more} more before it` : last;
    more = 0;
    timer = window.setTimeout(() => (timer = 0, more > 0 && (more--, say())), kSpeakEveryMs);
  };
  return (text) => {
    last = text;
    if (timer) more++;
    else say();
  };
}

function facts({ user, plane, gateway, devices, identity_provider }) {
  const { protocol } = new URL(gateway);
  const hosts = [...new Set(devices.map((who) => new URL(who.gateway ?? gateway).host))];
  const rows = [["Player", user], ["Plane", plane], [hosts.length > 1 ? "Gateways" : "Gateway", hosts.join(", ")], ["Transport", protocol === "https:" ? "TLS" : "plaintext, loopback only"]];
  if (identity_provider) rows.push(["Login", new URL(identity_provider).host]);
  document.getElementById("facts").append(...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

async function main() {
  const settings = await config();
  facts(settings);
  const speak = voice();
  const parent = document.getElementById("devices");
  const devices = settings.devices.slice(0, 2).map((who, index) => new Device({ config: settings, who, index, parent, speak }));
  const command = new Command(settings, devices);
  if (settings.cluster) showCluster(document.getElementById("cluster"), speak);
  for (const device of devices) device.onSession = () => command.showSource();
}

main().catch((error) => {
  const notice = document.getElementById("notice");
  notice.textContent = `The page could not start: ${error.message}`;
  notice.hidden = false;
});
