/** Moments and durations. Moments are Unix seconds, as on the wire. */

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_TO_THE_SECOND = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** Return a moment as "27 Nov 2026, 14:02". */
export function moment(unix: number): string {
  const at = new Date(unix * 1000);
  return `${DAY.format(at)}, ${CLOCK.format(at)}`;
}

export function clock(unix: number): string {
  return CLOCK_TO_THE_SECOND.format(new Date(unix * 1000));
}

/** Return how long ago a moment was, as "12 min ago"; older ones as a date. */
export function ago(unix: number, now = Date.now() / 1000): string {
  const seconds = Math.max(0, now - unix);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 2 * 86_400) return "yesterday";
  if (seconds < 14 * 86_400) return `${Math.floor(seconds / 86_400)} days ago`;
  return DAY.format(new Date(unix * 1000));
}

/** Return a duration as "6 min 41 s", "1.41 s" or "312 ms". */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60 && Number.isInteger(seconds)) return `${seconds} s`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return joined(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

/** Return milliseconds as seconds with two decimals, for columns. */
export function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

function joined(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;
}
