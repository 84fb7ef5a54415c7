// CursorKeeper knows the cursor to resume at and writes it to the application's store: one save at a time, always the
// newest, never before the event was handed on. A store that fails is reported and the stream goes on.

export class CursorKeeper {
  /**
   * @param {import("./types.js").CursorStore} store
   * @param {(problem: import("./types.js").Problem) => void} onError
   */
  constructor(store, onError) {
    this.store_ = store;
    this.onError_ = onError;
    this.cursor = "";
    /** @type {Promise<void> | null} */
    this.loading_ = null;
    /** @type {Promise<void> | null} */
    this.saving_ = null;
    this.saved_ = "";
  }

  /** Loads once, before the first connect. */
  load() {
    this.loading_ ??= this.load_();
    return this.loading_;
  }

  async load_() {
    try {
      this.cursor = this.saved_ = (await this.store_.load()) ?? "";
    } catch (cause) {
      this.onError_({ code: "cursor_store_failed", detail: `load failed, starting fresh: ${cause}`, cause });
    }
  }

  /** @param {string} cursor */
  move(cursor) {
    this.cursor = cursor;
    this.saving_ ??= this.save_().finally(() => (this.saving_ = null));
  }

  /** Resolves when the newest cursor is in the store, or could not be put there. */
  async flush() {
    while (this.saving_) await this.saving_;
  }

  async save_() {
    while (this.saved_ !== this.cursor) {
      const cursor = this.cursor;
      try {
        await this.store_.save(cursor);
      } catch (cause) {
        this.onError_({ code: "cursor_store_failed", detail: `save failed: ${cause}`, cause });
      }
      this.saved_ = cursor;
    }
  }
}
