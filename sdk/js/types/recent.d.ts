export class Recent {
    constructor(events_max?: number);
    events_max_: number;
    /** @type {{cursor: string, event_id: string}[]} */
    ring_: {
        cursor: string;
        event_id: string;
    }[];
    next_: number;
    /** @type {Map<string, number>} how many events in the ring carry it */
    cursors_: Map<string, number>;
    /** @type {Map<string, number>} */
    event_ids_: Map<string, number>;
    clear(): void;
    /** @param {{cursor: string, event_id: string}} event */
    has({ cursor, event_id }: {
        cursor: string;
        event_id: string;
    }): boolean;
    /** @param {{cursor: string, event_id: string}} event */
    add({ cursor, event_id }: {
        cursor: string;
        event_id: string;
    }): void;
}
