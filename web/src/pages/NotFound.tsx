import { Link } from "@tanstack/react-router";
import { Page, PageHead } from "@/layout/Page";

/** An address that leads nowhere. */
export function NotFound() {
  return (
    <Page crumbs={[{ name: "Not found" }]}>
      <PageHead title="There is no such page" />
      <p className="second">
        The address may be mistyped, or what it led to was deleted. Look for it among{" "}
        <Link to="/evals">all evals</Link>, or press <kbd>Ctrl K</kbd> and paste its id.
      </p>
    </Page>
  );
}
