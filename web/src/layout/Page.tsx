import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { moment } from "@/format/times";
import { Palette } from "@/keyboard/Palette";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { Running } from "./Running";
import { ThemeSwitch } from "./ThemeSwitch";

export type Crumb = { name: string; to?: string };

type Props = {
  /** From the outside in; the last one is this page, and the title of the window. */
  crumbs: readonly Crumb[];
  /** The line that a printed page begins with, after the crumbs: the id, the filters. */
  printed?: string;
  children: ReactNode;
};

/** A page: bar with breadcrumb, main part, and what the printed page begins with. */
export function Page({ crumbs, printed, children }: Props) {
  const names = crumbs.map((crumb) => visibleText(crumb.name));
  const title = names.at(-1) ?? "Evalhaven";
  useEffect(() => {
    document.title = `${title} · Evalhaven`;
  }, [title]);
  return (
    <div className="page">
      <header className="top-bar">
        <nav className="breadcrumb" aria-label="Breadcrumb">
          <ol>
            {crumbs.map((crumb, place) => (
              <li key={place} aria-current={place === crumbs.length - 1 ? "page" : undefined}>
                {crumb.to === undefined ? (
                  <Name text={crumb.name} />
                ) : (
                  <Link to={crumb.to}>
                    <Name text={crumb.name} />
                  </Link>
                )}
              </li>
            ))}
          </ol>
        </nav>
        <span className="grow" />
        <Running />
        <Palette />
        <ThemeSwitch />
      </header>
      <main id="main" tabIndex={-1}>
        <p className="print-only">
          Evalhaven · {names.join(" · ")} · printed {moment(Date.now() / 1000)}
          {printed && ` · ${printed}`}
        </p>
        {children}
      </main>
    </div>
  );
}

/** The head of a page: its title with facts below it, and what can be done here. */
export function PageHead({
  title,
  facts,
  actions,
}: {
  title: string;
  facts?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className="page-head">
      <div>
        <h1>
          <Name text={title} />
        </h1>
        {facts && <div className="facts-line">{facts}</div>}
      </div>
      {actions && <div className="actions">{actions}</div>}
    </div>
  );
}

/** A part of a page under a heading. */
export function Section({
  id,
  title,
  aside,
  end,
  children,
}: {
  id: string;
  title: string;
  aside?: ReactNode;
  end?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className="section" aria-labelledby={id}>
      <div className="section-head">
        <h2 id={id}>{title}</h2>
        {aside && <span className="aside">{aside}</span>}
        {end && <span className="grow" />}
        {end}
      </div>
      {children}
    </section>
  );
}

/** A table that scrolls sideways in narrow windows, by keyboard too. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it
    <section className="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
