/** Numbers as people read them: a true minus sign, thousands with commas, and no digit that says nothing. */

const COUNT = new Intl.NumberFormat("en-US");
const CENTS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const MINUS = "−";
const NO_VALUE = "–";

export function count(value: number): string {
  return COUNT.format(value).replace("-", MINUS);
}

/** Return a count with its noun: "1 item", "12 items". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Return a share of 0 to 1 as a percentage with one decimal, without the sign. */
export function percent(share: number | null | undefined): string {
  return share == null ? NO_VALUE : (share * 100).toFixed(1);
}

/** Return limits of a share, as "53.6 to 58.9". */
export function limits(low: number, high: number): string {
  return `${percent(low)} to ${percent(high)}`;
}

/** Return a difference of shares in points, with its sign: "+21.5", "−6.2", "0.0". */
export function points(difference: number): string {
  return signed(difference * 100, 1);
}

export function signed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return `${value < 0 ? MINUS : "+"}${text}`;
}

/** Return a score or another figure of unknown size with about three digits. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (Number.isInteger(value) && size < 1e6) return count(value);
  if (size >= 1000) return compact(value);
  const text = size >= 0.01 ? value.toFixed(size >= 100 ? 0 : 2) : value.toPrecision(2);
  return text.replace("-", MINUS);
}

/** Return how much a score has changed, with its sign. */
export function changed(difference: number): string {
  return difference > 0 ? `+${figure(difference)}` : figure(difference);
}

/** Return a large number shortly: 205k, 1.3M. */
export function compact(value: number): string {
  if (Math.abs(value) < 10_000) return count(Math.round(value));
  const text = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 }).format(
    value,
  );
  return text.replace("K", "k").replace("-", MINUS);
}

/** Return US dollars; small sums keep two digits that say something. */
export function dollars(value: number | null | undefined): string {
  if (value == null) return NO_VALUE;
  if (value === 0) return "$0";
  if (value < 0) return `${MINUS}${dollars(-value)}`;
  if (value >= 100) return `$${count(Math.round(value))}`;
  if (value >= 0.1) return `$${value.toFixed(2)}`;
  const decimals = Math.min(8, 1 - Math.floor(Math.log10(value)));
  return `$${value.toFixed(decimals)}`;
}

/** Return US dollars to the cent; what is smaller keeps all its digits. */
export function exactDollars(value: number): string {
  return value !== 0 && Math.abs(value) < 0.1 ? dollars(value) : `$${CENTS.format(value)}`;
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const shown = value / 1000 ** power;
  return `${power === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${units[power]}`;
}

/** Return a p-value, never as 0. */
export function pValue(p: number): string {
  return p < 0.0001 ? "p < 0.0001" : `p = ${p < 0.001 ? p.toFixed(4) : p.toFixed(3)}`;
}
