"""Facts about scopes, read off the source: no query of storage goes without one."""

import ast
from collections.abc import Iterator
from pathlib import Path

# These hold no queries: they open, lock and describe where things are kept.
EXEMPT = {
    "inserting.py",
    "database.py",  # opens transactions
    "schema.py",  # brings the whole database to this release
    "blobs.py",  # bytes, kept for each project
    "local_blobs.py",  # the same, on disk
    "spool.py",  # bytes of one request
    "pairing.py",  # the whole database, before it is served
    "lock.py",  # the data directory itself
    "tables.py",  # the tables
    "keyset.py",  # completes a query that is scoped already
    "pages.py",  # the same
    "reading.py",  # opens transactions
}
_SCOPES = (["ProjectScope"], ["EngineScope"], ["OrganizationScope"], ["ProjectScope | OrganizationScope"])
_TRANSACTIONS = (["AsyncConnection"], ["ReadTransaction"], ["WriteTransaction"])


def storage_functions(repository: Path) -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    """Yield the public async functions of the modules of queries."""
    storage = repository / "src/evalhaven/storage"
    for path in sorted([*storage.glob("*.py"), *storage.glob("access/*.py")]):
        if path.name not in EXEMPT:
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
                    yield f"{path.stem}.{node.name}", node


def test_every_query_takes_a_transaction_and_a_scope_first(repository: Path) -> None:
    found = dict(storage_functions(repository))
    unscoped: list[str] = []
    for name, node in found.items():
        annotations = [ast.unparse(each.annotation) if each.annotation else "" for each in node.args.args[:2]]
        if annotations[:1] not in _TRANSACTIONS or annotations[1:] not in _SCOPES:
            unscoped.append(name)

    assert len(found) > 25
    assert unscoped == []


def test_every_query_of_a_project_uses_its_scope(repository: Path) -> None:
    unused = [
        name
        for name, node in storage_functions(repository)
        if node.args.args[1].arg == "scope"
        and not any(isinstance(each, ast.Name) and each.id == "scope" for each in ast.walk(node))
    ]

    assert unused == []


def test_only_the_engine_sees_all_projects(repository: Path) -> None:
    source = repository / "src/evalhaven"
    making = {
        path.relative_to(source).parts[0]
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "EngineScope"
    }

    assert making == {"app", "reports", "runs", "webhooks"}


def test_only_the_door_and_what_manages_access_ask_for_the_organization(repository: Path) -> None:
    source = repository / "src/evalhaven"
    making = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "OrganizationScope"
    }

    assert making == {
        "api/access/door.py",
        "api/access/logins.py",
        "api/access/openid/people.py",
        "api/access/sessions.py",
        "api/readiness.py",
        "api/routes/extension/audit.py",
        "api/routes/extension/keys.py",
        "api/routes/extension/members.py",
        "api/routes/extension/sessions.py",
        "api/routes/openid.py",
        "api/routes/v1/organization_keys.py",
        "api/routes/v1/organization_projects.py",
        "app/first_key.py",
    }


def test_only_the_composition_root_knows_where_blobs_are(repository: Path) -> None:
    source = repository / "src/evalhaven"
    knowing = {
        path.relative_to(source).parts[0]
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "evalhaven.storage.local_blobs"
    }

    assert knowing == {"app"}


def test_storage_never_commits(repository: Path) -> None:
    calls = [
        f"{path.name}: {ast.unparse(node)}"
        for path in (repository / "src/evalhaven/storage").glob("*.py")
        if path.name not in ("blobs.py", "local_blobs.py", "database.py", "schema.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("commit", "rollback")
    ]

    assert calls == []
