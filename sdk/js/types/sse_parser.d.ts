export class SseParser {
    /** @param {(data: string) => void} onData */
    constructor(onData: (data: string) => void);
    onData_: (data: string) => void;
    line_: string;
    after_cr_: boolean;
    first_: boolean;
    /** @type {string[]} */
    data_: string[];
    size_: number;
    /** @type {number | undefined} the last `retry:` field */
    retry_ms: number | undefined;
    /**
     * @param {string} piece
     * @throws {RangeError} when one event is over 8 Mi characters
     */
    push(piece: string): void;
    /** @param {string} line */
    endLine_(line: string): void;
    endEvent_(): void;
}
