"""Rows as an uploaded file; what a server already has is not sent again."""

from collections.abc import Iterable
from hashlib import sha256
from tempfile import SpooledTemporaryFile

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.eval_files.talking import Talker

_IN_MEMORY_BYTES = 16 * 1024 * 1024
_DIGEST_CHARS = 32


async def upload_rows(talker: Talker, stem: str, rows: Iterable[JsonObject]) -> tuple[str, str, int]:
    """Return the id of an uploaded file with these rows, their digest and their number.

    Args:
        talker: Leads to the server.
        stem: Beginning of the file's name.
        rows: As the contract has them.

    Raises:
        RefusedError: The server refused, or did not answer.
        EvalFileError: The rows cannot be read.
    """
    digest, count = sha256(), 0
    with SpooledTemporaryFile(_IN_MEMORY_BYTES) as content:
        for row in rows:
            line = jsontext.render(row).encode() + b"\n"
            digest.update(line)
            content.write(line)
            count += 1
        name = digest.hexdigest()[:_DIGEST_CHARS]
        filename = f"{stem}-{name}.jsonl"
        if not count:
            return "", name, 0
        async for each in talker.overviews("/api/files", {"search": name, "purpose": "evals"}):
            if each["filename"] == filename:
                return str(each["id"]), name, count
        content.seek(0)
        return await talker.upload(filename, content), name, count
