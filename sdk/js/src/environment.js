// What the browser says about network and page, as five words. In Node there is nothing to hear.

/** @type {import("./types.js").Environment} */
export function browserEnvironment(listener) {
  const page = /** @type {Window | undefined} */ (globalThis.window);
  if (typeof page?.addEventListener !== "function" || !page.document) return () => {};
  const stop = new AbortController();
  /**
   * @param {EventTarget} target
   * @param {string} type
   * @param {(event: Event) => void} run
   */
  const on = (target, type, run) => target.addEventListener(type, run, { signal: stop.signal });
  on(page, "online", () => listener("online"));
  on(page, "offline", () => listener("offline"));
  on(page.document, "visibilitychange", () => page.document.visibilityState === "visible" && listener("visible"));
  // A page that goes into the back/forward cache or is frozen keeps no connection; it resumes when it comes back.
  on(page, "pagehide", () => listener("frozen"));
  on(page, "pageshow", (event) => /** @type {PageTransitionEvent} */ (event).persisted && listener("thawed"));
  on(page.document, "freeze", () => listener("frozen"));
  on(page.document, "resume", () => listener("thawed"));
  return () => stop.abort();
}
