import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get, post, remove } from "./client";
import type { RoleName } from "./types";

const FOUND = 20;

/** Who is what in the project. */
export const membersQuery = queryOptions({
  queryKey: ["members"],
  queryFn: ({ signal }) => get("/api/members", { signal }),
});

/** Those who have logged in to the server, whatever projects they are in. */
export function peopleQuery(search: string) {
  return queryOptions({
    queryKey: ["people", search],
    queryFn: ({ signal }) => get("/api/people", { query: { search: search || null, limit: FOUND }, signal }),
    placeholderData: keepPreviousData,
  });
}

export function addMember({ person, role }: { person: string; role: RoleName }) {
  return post("/api/members", { body: { person, role } });
}

export function changeMember({ person, role }: { person: string; role: RoleName }) {
  return post("/api/members/{person_id}", { path: { person_id: person }, body: { role } });
}

export function removeMember(person: string) {
  return remove("/api/members/{person_id}", { path: { person_id: person } });
}
