export function browserEnvironment(listener: (signal: "online" | "offline" | "visible" | "frozen" | "thawed") => void): (() => void);
