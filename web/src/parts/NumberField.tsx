import { useId } from "react";
import { ApiError } from "@/api/client";
import { Name } from "@/text/SafeText";
import { Icon } from "./Icon";

/** Units by name, each with how many of what is sent are one of it. */
export type Units = Readonly<Record<string, number>>;

type Props = {
  /** As the form's data and the server call it. */
  name: string;
  label: string;
  units: Units;
  value: number | null;
  /** The unit of a field that is still empty. */
  first?: string;
  hint?: string;
  /** What is wrong with what stands in it. */
  fault?: string | undefined;
};

/** A field for a number with its unit. What is wrong with it is said below it. */
export function NumberField({ name, label, units, value, first, hint, fault }: Props) {
  const id = useId();
  const names = Object.keys(units);
  const unit = value === null ? (first ?? names[0] ?? "") : unitOf(value, units);
  const told = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="measure">
        <input
          id={id}
          name={name}
          inputMode="decimal"
          autoComplete="off"
          defaultValue={value === null ? "" : String(value / (units[unit] ?? 1))}
          aria-invalid={fault !== undefined}
          aria-describedby={told || undefined}
        />
        {names.length > 1 ? (
          <select name={`${name}.unit`} aria-label={`Unit of ${label.toLowerCase()}`} defaultValue={unit}>
            {names.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        ) : (
          <span>{unit}</span>
        )}
      </div>
      {hint && <small id={`${id}-hint`}>{hint}</small>}
      {fault && (
        <p id={`${id}-fault`} className="fault" role="alert">
          <Icon name="error" className="error" />
          <Name text={fault} />
        </p>
      )}
    </div>
  );
}

/** Return the number that a form gives, in what is sent; null for none, NaN for what is no number. */
export function numberIn(data: FormData, name: string, units: Units): number | null {
  const text = String(data.get(name) ?? "").trim();
  if (text === "") return null;
  const factor = units[String(data.get(`${name}.unit`))] ?? 1;
  const value = Number(text) * factor;
  if (!Number.isFinite(value)) return Number.NaN;
  return factor === 1 ? value : Math.round(value);
}

/** Return what the server does not take of a field; undefined if that is not what went wrong. */
export function faultOf(error: unknown, name: string): string | undefined {
  return error instanceof ApiError && error.param === name ? error.message : undefined;
}

export const NOT_A_NUMBER = "Write a number in digits, such as 250 or 0.5.";

/** The largest unit in which a value has at most three decimals. */
function unitOf(value: number, units: Units): string {
  const fitting = Object.entries(units).filter(
    ([, factor]) => factor === 1 || (value >= factor && Number.isInteger((value * 1000) / factor)),
  );
  return fitting.at(-1)?.[0] ?? "";
}
