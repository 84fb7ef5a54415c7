// Recent answers "was this event handed on lately?": step 6 of docs/envelope.md. A cursor or a non-empty event_id
// among the last 1,024 events since the last gap or fresh start is a duplicate. Cursors are compared for equality only.

const kEventsMax = 1024;

export class Recent {
  constructor(events_max = kEventsMax) {
    this.events_max_ = events_max;
    /** @type {{cursor: string, event_id: string}[]} */
    this.ring_ = [];
    this.next_ = 0;
    /** @type {Map<string, number>} how many events in the ring carry it */
    this.cursors_ = new Map();
    /** @type {Map<string, number>} */
    this.event_ids_ = new Map();
  }

  clear() {
    this.ring_ = [];
    this.next_ = 0;
    this.cursors_.clear();
    this.event_ids_.clear();
  }

  /** @param {{cursor: string, event_id: string}} event */
  has({ cursor, event_id }) {
    return this.cursors_.has(cursor) || (event_id !== "" && this.event_ids_.has(event_id));
  }

  /** @param {{cursor: string, event_id: string}} event */
  add({ cursor, event_id }) {
    const oldest = this.ring_[this.next_];
    if (oldest) {
      drop(this.cursors_, oldest.cursor);
      drop(this.event_ids_, oldest.event_id);
    }
    this.ring_[this.next_] = { cursor, event_id };
    this.next_ = (this.next_ + 1) % this.events_max_;
    this.cursors_.set(cursor, (this.cursors_.get(cursor) ?? 0) + 1);
    this.event_ids_.set(event_id, (this.event_ids_.get(event_id) ?? 0) + 1);
  }
}

/**
 * @param {Map<string, number>} counts
 * @param {string} name
 */
function drop(counts, name) {
  const left = (counts.get(name) ?? 1) - 1;
  if (left > 0) counts.set(name, left);
  else counts.delete(name);
}
