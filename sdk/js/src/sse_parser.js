// Reads a text/event-stream (WHATWG HTML section 9.2.6) piece by piece: data fields, retry, comments; CR, LF and CRLF
// also where a piece ends between the two. `id` and `event` are left out: each frame names its own cursor.

const kEventCharsMax = 8 * 1024 * 1024;

export class SseParser {
  /** @param {(data: string) => void} onData */
  constructor(onData) {
    this.onData_ = onData;
    this.line_ = "";
    this.after_cr_ = false;
    this.first_ = true;
    /** @type {string[]} */
    this.data_ = [];
    this.size_ = 0;
    /** @type {number | undefined} the last `retry:` field */
    this.retry_ms = undefined;
  }

  /**
   * @param {string} piece
   * @throws {RangeError} when one event is over 8 Mi characters
   */
  push(piece) {
    if (this.first_ && piece.length > 0) {
      this.first_ = false;
      if (piece.charCodeAt(0) === 0xfeff) piece = piece.slice(1);
    }
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
      const code = piece.charCodeAt(at);
      if (code !== 10 && code !== 13) {
        this.after_cr_ = false;
        continue;
      }
      if (code === 10 && this.after_cr_) {
        this.after_cr_ = false;
        start = at + 1;
        continue;
      }
      this.after_cr_ = code === 13;
      this.endLine_(this.line_ + piece.slice(start, at));
      this.line_ = "";
      start = at + 1;
    }
    this.line_ += piece.slice(start);
    if (this.size_ + this.line_.length > kEventCharsMax) throw new RangeError("an event without end");
  }

  /** @param {string} line */
  endLine_(line) {
    if (line === "") return this.endEvent_();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") {
      this.data_.push(value);
      this.size_ += value.length;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) {
      this.retry_ms = Number(value);
    }
  }

  endEvent_() {
    if (this.data_.length === 0) return;
    const data = this.data_.join("\n");
    this.data_ = [];
    this.size_ = 0;
    this.onData_(data);
  }
}
