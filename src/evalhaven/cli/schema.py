"""`evalhaven schema`: prints the JSON Schema of eval files."""

import json

from evalhaven.cli.shell import reader_may_leave


def schema() -> None:
    """Print the JSON Schema of eval files, with which editors complete and check them.

    Save it beside an eval file, and name it in the first line of that:

    # yaml-language-server: $schema=eval-file.schema.json
    """
    from evalhaven.eval_files.json_schema import eval_file_schema

    with reader_may_leave():
        print(json.dumps(eval_file_schema(), indent=2, ensure_ascii=False))
