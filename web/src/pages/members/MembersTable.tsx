import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { changeMember, membersQuery, removeMember } from "@/api/memberQueries";
import { sessionQuery } from "@/api/sessionQueries";
import type { Member, RoleName } from "@/api/types";
import { ago } from "@/format/times";
import { Scroll } from "@/layout/Page";
import { Confirmation } from "@/parts/Confirmation";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { ROLE_MEANINGS, ROLES } from "./roles";

/** The members, each with a role that can be changed. */
export function MembersTable({ members }: { members: readonly Member[] }) {
  const queries = useQueryClient();
  // Somebody may change what they may do themselves.
  const refresh = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: membersQuery.queryKey }),
      queries.invalidateQueries({ queryKey: sessionQuery.queryKey }),
    ]);
  const change = useMutation({ mutationFn: changeMember, onSettled: refresh });
  return (
    <>
      {change.error && <Failure error={change.error} />}
      <Scroll label="Members">
        <table className="members-table">
          <thead>
            <tr>
              <th scope="col">Person</th>
              <th scope="col">Address</th>
              <th scope="col">Role</th>
              <th scope="col">Member since</th>
              <th scope="col">Last login</th>
              <th scope="col">
                <span className="hidden-text">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {members.map((member) => (
              <MemberRow
                key={member.person.id}
                member={member}
                isBusy={change.isPending}
                onChange={(role) => change.mutate({ person: member.person.id, role })}
                onRemoved={refresh}
              />
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}

type RowProps = {
  member: Member;
  isBusy: boolean;
  onChange: (role: RoleName) => void;
  onRemoved: () => void;
};

function MemberRow({ member, isBusy, onChange, onRemoved }: RowProps) {
  const { person } = member;
  return (
    <tr>
      <th scope="row">
        <Name text={person.name} />
        {person.is_organization_admin && <span className="second small"> administers the organization</span>}
      </th>
      <td>
        {person.email === null ? <span className="second">none</span> : <Name text={person.email} />}
        {person.email !== null && !person.is_email_verified && (
          <span className="second"> (not verified)</span>
        )}
      </td>
      <td>
        <select
          aria-label={`Role of ${visibleText(person.name)}`}
          title={ROLE_MEANINGS[member.role]}
          value={member.role}
          disabled={isBusy}
          onChange={(event) => onChange(event.target.value as RoleName)}
        >
          {ROLES.map((role) => (
            <option key={role}>{role}</option>
          ))}
        </select>
      </td>
      <td>{ago(member.created_at)}</td>
      <td>{person.last_seen_at === null ? "" : ago(person.last_seen_at)}</td>
      <td className="end">
        <RemoveMember member={member} onRemoved={onRemoved} />
      </td>
    </tr>
  );
}

/** Removes a member, after it was said what that means. */
function RemoveMember({ member, onRemoved }: { member: Member; onRemoved: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const removal = useMutation({
    mutationFn: () => removeMember(member.person.id),
    onSuccess: () => {
      dialog.current?.close();
      onRemoved();
    },
  });
  return (
    <>
      <button
        type="button"
        className="button slim"
        aria-label={`Remove ${visibleText(member.person.name)}`}
        onClick={() => dialog.current?.showModal()}
      >
        Remove
      </button>
      <Confirmation
        dialog={dialog}
        title={
          <>
            Remove <Name text={member.person.name} />?
          </>
        }
        does="Remove from the project"
        act={removal}
      >
        They see nothing of this project from then on. What they made stays, and so do the keys they made.
      </Confirmation>
    </>
  );
}
