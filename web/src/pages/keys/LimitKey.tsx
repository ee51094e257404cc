import { useQueryClient } from "@tanstack/react-query";
import { post } from "@/api/client";
import type { ApiKey } from "@/api/types";
import { ChangeLimit } from "@/parts/ChangeLimit";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { limitOf, REQUESTS } from "./words";

/** How many requests a minute a key may make, on the button that changes it. */
export function LimitKey({ of: key }: { of: ApiKey }) {
  const queries = useQueryClient();
  return (
    <ChangeLimit
      needs="manage"
      shown={limitOf(key)}
      label={`${limitOf(key)}: change the requests a minute of ${visibleText(key.name)}`}
      title={
        <>
          Requests a minute of <Name text={key.name} />
        </>
      }
      field={REQUESTS}
      value={key.requests_per_minute}
      onSet={async (value) => {
        await post("/api/keys/{key_id}", { path: { key_id: key.id }, body: { requests_per_minute: value } });
        await queries.invalidateQueries({ queryKey: ["keys"] });
      }}
    />
  );
}
