import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { addMember, membersQuery, peopleQuery } from "@/api/memberQueries";
import type { Member, Person, RoleName } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { SearchField } from "@/parts/SearchField";
import { Failure, Skeleton } from "@/states/States";
import { useMay } from "@/states/session";
import { Name } from "@/text/SafeText";
import { ROLE_MEANINGS, ROLES } from "./roles";

/** Makes somebody a member who has logged in before. */
export function AddMember({ members }: { members: readonly Member[] }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="button"
        onClick={() => {
          setOpen(true);
          dialog.current?.showModal();
        }}
      >
        <Icon name="plus" />
        Add a member
      </button>
      <dialog
        ref={dialog}
        className="help-sheet add-member"
        aria-labelledby="add-member"
        onClose={() => setOpen(false)}
      >
        <h2 id="add-member">Add a member</h2>
        {isOpen && <AddForm members={members} onDone={() => dialog.current?.close()} />}
      </dialog>
    </>
  );
}

function AddForm({ members, onDone }: { members: readonly Member[]; onDone: () => void }) {
  const queries = useQueryClient();
  const [search, setSearch] = useState("");
  const [person, setPerson] = useState<string>();
  const [role, setRole] = useState<RoleName>("viewer");
  // Whoever administers a project only does not see who else is on the server.
  const seesPeople = useMay("operate");
  const people = useQuery({ ...peopleQuery(search), enabled: seesPeople });
  const known = new Set(members.map((member) => member.person.id));
  const others = people.data?.data.filter((each) => !known.has(each.id)) ?? [];
  const addition = useMutation({
    mutationFn: addMember,
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: membersQuery.queryKey });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (person !== undefined) addition.mutate({ person, role });
  };
  return (
    <form onSubmit={submit} className="grade-form">
      <p className="second">Whoever has logged in to this server once can be added.</p>
      {seesPeople ? (
        <SearchField
          value={search}
          onSearch={setSearch}
          label="Search people"
          placeholder="Name or address"
        />
      ) : (
        <label>
          Address, or id
          <input
            required
            placeholder="somebody@example.org"
            onChange={(event) => setPerson(event.target.value.trim() || undefined)}
          />
        </label>
      )}
      {people.error && <Failure error={people.error} onRetry={people.refetch} />}
      {seesPeople && people.isPending && <Skeleton lines={3} />}
      {people.data && others.length === 0 && (
        <p role="status">Nobody else is like this. People appear here when they first log in.</p>
      )}
      <People people={others} chosen={person} onChoose={setPerson} />
      {people.data?.has_more && <p className="second small">There are more: search for a name.</p>}
      <label>
        Role
        <select value={role} onChange={(event) => setRole(event.target.value as RoleName)}>
          {ROLES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <p className="second small">{`${role}: ${ROLE_MEANINGS[role]}`}</p>
      {addition.error && <Failure error={addition.error} />}
      <div className="row">
        <span className="grow" />
        <button type="button" className="button" onClick={onDone}>
          Close
        </button>
        <button type="submit" className="button" disabled={person === undefined || addition.isPending}>
          Add
        </button>
      </div>
    </form>
  );
}

type PeopleProps = {
  people: readonly Person[];
  chosen: string | undefined;
  onChoose: (person: string) => void;
};

function People({ people, chosen, onChoose }: PeopleProps) {
  if (people.length === 0) return null;
  return (
    <fieldset className="people">
      <legend>Person</legend>
      {people.map((each) => (
        <label key={each.id} className="choice">
          <input type="radio" name="person" checked={each.id === chosen} onChange={() => onChoose(each.id)} />
          <span>
            <Name text={each.name} />{" "}
            {each.email !== null && each.email !== each.name && (
              <span className="second">
                <Name text={each.email} />
              </span>
            )}
            {each.email !== null && !each.is_email_verified && (
              <span className="second"> (address not verified)</span>
            )}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
