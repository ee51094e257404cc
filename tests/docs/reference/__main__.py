"""Writes docs/reference/: `python -m tests.docs.reference --write`. Without `--write` it says what is out of date."""

import argparse
import sys

from tests.docs.reference.pages import DIRECTORY, PAGES


def main() -> int:
    """Bring the pages up to date, or say which are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    is_written = parser.parse_args().write
    stale: list[str] = []
    for name, render in PAGES.items():
        path, text = DIRECTORY / name, render()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if is_written:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{name}: {'written' if is_written else 'out of date'}\n")
    return int(bool(stale) and not is_written)


if __name__ == "__main__":
    raise SystemExit(main())
