import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useRef, useState } from "react";
import type { RunComparison } from "@/api/types";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { FilterForm } from "./FilterForm";
import {
  BOUNDS,
  type Bound,
  type CompareSearch,
  FROM_THE_START,
  type Mode,
  NO_FILTERS,
  ONLY_HERE,
} from "./search";

const CHIPS: Record<Bound, string> = {
  least_change: "change of score ≥",
  most_change: "change of score ≤",
  least_score: "new score ≥",
  most_score: "new score ≤",
};

/** Which items are shown: every filter is a chip, and every chip is in the address. */
export function ItemFilters({ shown, mode }: { shown: RunComparison; mode: Mode }) {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const [isOpen, setOpen] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const find = useCallback(
    (text: string) =>
      navigate({
        search: (before) => ({ ...before, ...FROM_THE_START, text: text || undefined }),
        replace: true,
        resetScroll: false,
      }),
    [navigate],
  );
  const close = () => {
    setOpen(false);
    opener.current?.focus();
  };
  const isFiltered = Object.keys(NO_FILTERS).some(
    (name) => search[name as keyof typeof NO_FILTERS] !== undefined,
  );
  return (
    <>
      <div className="filters address">
        <SearchField
          value={search.text ?? ""}
          onSearch={find}
          label="Search items"
          placeholder="Item or answer"
        />
        <span className="chip chosen">
          <span className="key">change</span>
          {mode}
        </span>
        <CriterionMenu shown={shown} chosen={search.criterion} />
        {search.group !== undefined && (
          <FilterChip word="group" value={search.group} without={{ group: undefined }} />
        )}
        {BOUNDS.map((name) =>
          search[name] === undefined ? null : (
            <FilterChip
              key={name}
              word={CHIPS[name]}
              value={String(search[name]).replace("-", "−")}
              without={{ [name]: undefined }}
            />
          ),
        )}
        {search.text !== undefined && (
          <FilterChip word="text" value={search.text} without={{ text: undefined }} />
        )}
        <button
          ref={opener}
          type="button"
          className="chip adding"
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name="plus" />
          Filter
        </button>
        {isFiltered && (
          <Link
            from="/compare"
            to="."
            search={(before) => ({ ...before, ...FROM_THE_START, ...NO_FILTERS })}
            className="small"
            resetScroll={false}
          >
            Clear
          </Link>
        )}
        <span className="grow" />
        <CopyLink />
      </div>
      {isOpen && <FilterForm shown={shown} onDone={close} />}
      {search.criterion !== undefined && !shown.criteria.some((each) => each.name === search.criterion) && (
        <p className="second">
          Not both runs have the criterion <Name text={search.criterion} />: all criteria together are shown.
        </p>
      )}
    </>
  );
}

function CriterionMenu({ shown, chosen }: { shown: RunComparison; chosen: string | undefined }) {
  return (
    <Menu
      label={chosen === undefined ? "Criterion: all together" : `Criterion: ${visibleText(chosen)}`}
      isSlim
    >
      {[undefined, ...shown.criteria.map((each) => each.name)].map((each) => (
        <Link
          key={each ?? ""}
          from="/compare"
          to="."
          search={(before) => ({ ...before, ...FROM_THE_START, criterion: each })}
          resetScroll={false}
        >
          {each === undefined ? "All together" : <Name text={each} />}
        </Link>
      ))}
    </Menu>
  );
}

function FilterChip({ word, value, without }: { word: string; value: string; without: CompareSearch }) {
  return (
    <Link
      from="/compare"
      to="."
      className="chip chosen"
      search={(before) => ({ ...before, ...FROM_THE_START, ...without })}
      activeProps={{}}
      activeOptions={ONLY_HERE}
      aria-label={`Remove filter: ${word} ${visibleText(value)}`}
      resetScroll={false}
    >
      <span className="key">{word}</span>
      <span className="cut">
        <Name text={value} />
      </span>
      <Icon name="close" />
    </Link>
  );
}
