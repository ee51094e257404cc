import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Icon } from "./Icon";

/** What a filter makes of the address: values to set, and undefined for what is taken away. */
export type Change = Record<string, string | undefined>;

type ChipProps = { isChosen: boolean; change: Change; children: ReactNode };

/** A filter that a list offers; chosen, it stands in the address until it is chosen again. */
export function FilterChip({ isChosen, change, children }: ChipProps) {
  return (
    <Link
      to="."
      className={isChosen ? "chip chosen" : "chip"}
      aria-current={isChosen ? "true" : undefined}
      search={(before) => ({ ...before, ...change })}
      activeProps={{}}
      replace
    >
      {children}
      {isChosen && <Icon name="close" />}
    </Link>
  );
}

/** A filter or an order in a menu. */
export function FilterLink({ change, children }: { change: Change; children: ReactNode }) {
  return (
    <Link to="." search={(before) => ({ ...before, ...change })} activeProps={{}} replace>
      {children}
    </Link>
  );
}
