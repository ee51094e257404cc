"""Facts about the organization: projects, service accounts and project keys, through the official SDK."""

import json
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.contract.conftest import eval_body
from tests.server import Server
from tests.system.access import OTHER_ID, Keys, client_of, server_with_keys
from tests.system.client import wait_until
from tests.system.commands import call_command


@dataclass(frozen=True)
class Organization:
    """A server with keys, and the SDK with its admin key."""

    server: Server
    keys: Keys
    sdk: openai.OpenAI

    def reads_with(self, key: str) -> int:
        """Return how a list of evals is answered to a key."""
        with client_of(self.server, key) as http:
            return http.get("/v1/evals").status_code


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Generator[Organization]:
    with server_with_keys(tmp_path_factory.mktemp("organization")) as (server, keys):
        url = f"{server.url}/v1"
        with openai.OpenAI(base_url=url, api_key="none", admin_api_key=keys.organization, max_retries=0) as sdk:
            yield Organization(server, keys, sdk)


def test_projects_are_created_renamed_listed_and_archived(organization: Organization) -> None:
    projects = organization.sdk.admin.organization.projects
    made = projects.create(name="Search \N{ROCKET}")
    assert made.object == "organization.project"
    assert (made.name, made.status, made.archived_at) == ("Search \N{ROCKET}", "active", None)
    assert projects.retrieve(made.id) == made
    assert projects.update(made.id, name="Search").name == "Search"
    first = projects.list(limit=1)
    assert [each.id for each in first.data] == [made.id]
    assert first.has_more
    assert [each.id for each in projects.list(limit=1)] == [made.id, OTHER_ID, "proj_default"]

    account = projects.service_accounts.create(made.id, name="bot")
    assert account.api_key is not None
    assert organization.reads_with(account.api_key.value) == 200
    archived = projects.archive(made.id)
    assert archived.status == "archived"
    assert archived.archived_at is not None
    assert organization.reads_with(account.api_key.value) == 401
    assert made.id not in [each.id for each in projects.list()]
    assert made.id in [each.id for each in projects.list(include_archived=True)]
    with pytest.raises(openai.BadRequestError, match="is archived"):
        projects.service_accounts.create(made.id, name="late")
    with pytest.raises(openai.BadRequestError, match="default project cannot be archived"):
        projects.archive("proj_default")
    with pytest.raises(openai.NotFoundError):
        projects.retrieve("proj_unknown")


def test_projects_say_how_much_they_have(organization: Organization) -> None:
    projects = organization.sdk.admin.organization.projects

    def contents(project_id: str) -> dict[str, int]:
        return projects.retrieve(project_id).to_dict()["evalhaven"]  # pyright: ignore[reportReturnType]

    made = projects.create(name="Counted")
    assert contents(made.id) == made.to_dict()["evalhaven"] == {"evals": 0, "keys": 0, "members": 0}
    before = contents("proj_default")
    assert (before["keys"], before["members"]) == (3, 1), "of its keys one is revoked, and one has expired"
    with client_of(organization.server, organization.keys.editor) as http:
        ids = [http.post("/v1/evals", json=eval_body()).json()["id"] for _ in range(2)]
        http.delete(f"/v1/evals/{ids[0]}").raise_for_status()
    account = projects.service_accounts.create(made.id, name="bot")
    assert account.api_key is not None

    assert contents("proj_default") == {**before, "evals": before["evals"] + 1}
    listed = {each.id: each.to_dict()["evalhaven"] for each in projects.list(include_archived=True)}
    assert listed[made.id] == {"evals": 0, "keys": 1, "members": 0}
    assert listed["proj_default"] == contents("proj_default")
    shown = call_command(
        "projects", "list", "--url", organization.server.url, EVALHAVEN_API_KEY=organization.keys.organization
    ).stdout.splitlines()
    assert shown[0].split()[:5] == ["id", "name", "evals", "keys", "members"]
    assert [line.split()[1:5] for line in shown if line.startswith(made.id)] == [["Counted", "0", "1", "0"]]


def test_names_have_a_length(organization: Organization) -> None:
    projects = organization.sdk.admin.organization.projects
    for name in ("", "x" * 201):
        with pytest.raises(openai.BadRequestError, match="name"):
            projects.create(name=name)
        with pytest.raises(openai.BadRequestError, match="name"):
            projects.service_accounts.create("proj_default", name=name)
    with pytest.raises(openai.BadRequestError, match="residency"):
        projects.create(name="x", residency="EU_STORAGE_PROCESSING")


def test_service_accounts_have_keys_that_end_with_them(organization: Organization) -> None:
    accounts = organization.sdk.admin.organization.projects.service_accounts
    made = accounts.create(OTHER_ID, name="ci", expires_in_seconds=3600)
    assert made.role == "member"
    assert made.api_key is not None
    assert made.api_key.value.startswith("sk-")
    bare = accounts.create(OTHER_ID, name="later", create_service_account_only=True)
    assert bare.api_key is None
    assert [each.id for each in accounts.list(OTHER_ID)] == [bare.id, made.id]
    assert accounts.update(bare.id, project_id=OTHER_ID, role="owner").role == "owner"
    assert accounts.retrieve(bare.id, project_id=OTHER_ID).role == "owner"
    further = accounts.api_keys.create(bare.id, project_id=OTHER_ID, name="second", scopes=["read"])
    assert organization.reads_with(further.value) == 200
    with client_of(organization.server, further.value) as http:
        assert http.post("/v1/evals", json={}).status_code == 403
    with pytest.raises(openai.NotFoundError):
        accounts.retrieve(made.id, project_id="proj_default")
    assert accounts.delete(bare.id, project_id=OTHER_ID).deleted
    assert organization.reads_with(further.value) == 401
    assert organization.reads_with(made.api_key.value) == 200
    with pytest.raises(openai.NotFoundError):
        accounts.retrieve(bare.id, project_id=OTHER_ID)


def test_the_keys_of_a_project_are_listed_and_revoked(organization: Organization) -> None:
    projects = organization.sdk.admin.organization.projects
    account = projects.service_accounts.create("proj_default", name="worker")
    assert account.api_key is not None
    listed = list(projects.api_keys.list("proj_default"))
    assert {"viewer", "editor", "admin", "worker"} <= {each.name for each in listed}
    assert "revoked" not in {each.name for each in listed}
    shown = projects.api_keys.retrieve(account.api_key.id, project_id="proj_default")
    assert shown.redacted_value == f"sk-…{account.api_key.value[-4:]}"
    assert shown.owner.service_account is not None
    assert shown.owner.service_account.id == account.id
    assert projects.api_keys.delete(account.api_key.id, project_id="proj_default").deleted
    assert organization.reads_with(account.api_key.value) == 401
    with pytest.raises(openai.NotFoundError):
        projects.api_keys.retrieve(account.api_key.id, project_id="proj_default")


def test_commands_on_the_servers_machine_need_no_key(organization: Organization) -> None:
    directory = str(organization.server.data_dir)
    made = call_command("projects", "create", "From the shell", "--data-dir", directory, "--json")
    project = json.loads(made.stdout)["id"]
    listed = call_command("projects", "--data-dir", directory).stdout
    assert project in listed
    assert "1970" not in listed, "nobody made the default project"
    created = call_command("keys", "create", "--name", "x", "--project", project, "--data-dir", directory)
    assert organization.reads_with(created.stdout.strip()) == 200
    listed = call_command("keys", "list", "--project", project, "--data-dir", directory, "--json")
    (key,) = json.loads(listed.stdout)["data"]
    assert (key["project"], key["scopes"]) == (project, ["read", "write", "models"])
    named = call_command("keys", "list", "--data-dir", directory, "--json", EVALHAVEN_PROJECT=project)
    assert [each["id"] for each in json.loads(named.stdout)["data"]] == [key["id"]]
    missed = call_command("keys", "revoke", key["id"], "--data-dir", directory)
    assert (missed.returncode, "--project names another one" in missed.stderr) == (70, True)
    revoked = call_command("keys", "revoke", key["id"], "--project", project, "--data-dir", directory)
    assert revoked.returncode == 0, revoked.stderr
    assert organization.reads_with(created.stdout.strip()) == 401
    told = f"The API key 'x' ({key['redacted_value']}) was revoked on"
    wait_until(lambda: told in organization.server.log, "the log says why the key was refused")
    archived = call_command("projects", "archive", project, "--data-dir", directory)
    assert "archived 20" in archived.stdout
    refused = call_command("keys", "create", "--name", "x", "--scopes", "everything", "--data-dir", directory)
    assert (refused.returncode, "'everything' is no scope" in refused.stderr) == (64, True)
    elsewhere = call_command("evals", "list", "--url", organization.server.url)
    assert (elsewhere.returncode, "needs an API key" in elsewhere.stderr) == (70, True)
    unset = call_command("evals", "list", "--url", organization.server.url, EVALHAVEN_API_KEY="")
    assert unset.stderr == elsewhere.stderr
    wrong = call_command("keys", "--data-dir", directory, EVALHAVEN_API_KEY=created.stdout.strip())
    assert (wrong.returncode, "EVALHAVEN_API_KEY is set, so its key was sent" in wrong.stderr) == (70, True)


def test_a_command_says_that_it_begins_with_an_empty_database(tmp_path: Path) -> None:
    directory = tmp_path / "elsewhere"
    first, second = (call_command("keys", "--data-dir", str(directory)) for _ in range(2))

    assert f"{str(directory)!r} has no database yet" in first.stderr
    assert "has no database yet" not in second.stderr


def test_every_change_is_in_the_audit_log_without_a_secret(organization: Organization) -> None:
    projects = organization.sdk.admin.organization.projects
    account = projects.service_accounts.create(OTHER_ID, name="audited")
    assert account.api_key is not None
    projects.service_accounts.delete(account.id, project_id=OTHER_ID)
    with sqlite3.connect(organization.server.database_path) as database:
        rows = database.execute(
            "SELECT action, target_id, caller_kind, caller_name, request_id, address, project_id FROM audit "
            "ORDER BY key DESC LIMIT 3"
        ).fetchall()
        everything = database.execute("SELECT * FROM audit").fetchall()
    assert [row[0] for row in rows] == ["service_account.deleted", "key.created", "service_account.created"]
    assert [row[1] for row in rows] == [account.id, account.api_key.id, account.id]
    assert {row[2:4] for row in rows} == {("key", '"organization"')}
    assert all(row[4].startswith("req_") and row[5] == "127.0.0.1" and row[6] == 2 for row in rows)
    assert account.api_key.value not in str(everything)
