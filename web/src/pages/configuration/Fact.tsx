import type { ReactNode } from "react";
import { Name } from "@/text/SafeText";

/** Names with their values, in two columns. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="setup-facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>
        <Name text={name} />
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
