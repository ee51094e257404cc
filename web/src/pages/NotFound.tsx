import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef } from "react";
import { Page, PageHead } from "@/layout/Page";
import { Icon } from "@/parts/Icon";

/** An address that leads nowhere, and a search for what was meant. */
export function NotFound() {
  const input = useRef<HTMLInputElement>(null);
  const navigate = useNavigate();
  const find = (event: FormEvent) => {
    event.preventDefault();
    navigate({ to: "/runs", search: { search: input.current?.value || undefined } });
  };
  return (
    <Page crumbs={[{ name: "Not found" }]}>
      <PageHead title="There is no such page" />
      <p className="second">
        The address may be mistyped, or what it led to was deleted. Look for it among{" "}
        <Link to="/evals">all evals</Link>, or press <kbd>Ctrl K</kbd> and paste its id.
      </p>
      <form className="filters find-again" onSubmit={find}>
        <label className="search">
          <Icon name="search" />
          <span className="hidden-text">Search runs</span>
          <input ref={input} type="search" placeholder="Run: name, id or model" />
        </label>
        <button type="submit" className="button">
          Search
        </button>
      </form>
    </Page>
  );
}
