"""Facts about the completion of commands in real shells."""

import functools
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from tests.system.commands import call_command

SCRIPTS = sysconfig.get_path("scripts")
_TIMEOUT_S = 120

# What a user types, and what the shell has to offer; a word of another command must not be among it.
CASES = [
    ("evalhaven ru", {"runs"}, "evals"),
    ("evalhaven evals ", {"list", "show"}, "runs"),
    ("evalhaven items --fa", {"--failed"}, "--margin"),
    ("evalhaven runs --status ", {"queued", "completed"}, "list"),
    ("evalhaven gate evalrun_1 --ba", {"--baseline"}, "--budget"),
    ("evalhaven completion ", {"bash", "zsh", "fish"}, "csh"),
]

# One shell is asked all of it, since each start of the command costs.
BASH = """
source <(evalhaven completion bash) || exit 3
complete -p evalhaven >/dev/null || exit 4
for typed; do
    COMP_LINE="$typed" COMP_POINT=${#typed}
    read -ra COMP_WORDS <<< "$typed"
    [[ "$typed" == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    COMPREPLY=()
    _evalhaven_completion evalhaven
    printf '%s\\n' "${COMPREPLY[@]}" "<end>"
done
"""
# compadd, which is given the words in the end, prints them here.
ZSH = """
autoload -Uz compinit && compinit -u -D
source <(evalhaven completion zsh) || exit 3
_arguments() { print -r -- "$@" }
for typed; do
    words=(${(z)typed}); [[ "$typed" == *" " ]] && words+=("")
    CURRENT=${#words}
    _evalhaven_completion
    print "<end>"
done
"""
FISH = """
evalhaven completion fish | source
for typed in $argv
    complete --do-complete $typed
    echo "<end>"
end
"""


@functools.cache
def offered(shell: str, script: str) -> dict[str, str]:
    """Return what a shell offers for each thing that is typed."""
    place = shutil.which(shell)
    if place is None:
        pytest.skip(f"there is no {shell} on this machine")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "_EVALHAVEN"))}
    typed = [typed for typed, _, _ in CASES]
    arguments = [script, *typed] if shell == "fish" else [script, "x", *typed]
    done = subprocess.run(
        [place, *({"bash": ["--norc"], "zsh": ["-f"]}.get(shell) or ["--no-config"]), "-c", *arguments],
        env={**inherited, "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(zip(typed, done.stdout.split("<end>\n"), strict=False))


@pytest.mark.parametrize(("typed", "wanted", "foreign"), CASES)
def test_bash_offers_commands_options_and_values(typed: str, wanted: set[str], foreign: str) -> None:
    found = set(offered("bash", BASH)[typed].split())

    assert wanted <= found
    assert foreign not in found


@pytest.mark.parametrize(("typed", "wanted", "foreign"), CASES)
def test_zsh_offers_commands_options_and_values(typed: str, wanted: set[str], foreign: str) -> None:
    found = offered("zsh", ZSH)[typed]

    assert all(f'"{word}"' in found for word in wanted), found
    assert f'"{foreign}"' not in found


@pytest.mark.parametrize(("typed", "wanted", "foreign"), CASES)
def test_fish_offers_commands_options_and_values(typed: str, wanted: set[str], foreign: str) -> None:
    found = {line.partition("\t")[0] for line in offered("fish", FISH)[typed].splitlines()}

    assert wanted <= found
    assert foreign not in found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_the_program_and_nothing_of_this_machine(shell: str) -> None:
    script = call_command("completion", shell).stdout

    assert "evalhaven" in script
    assert "/" not in script.replace("$HOME/", "")


START = """
import sys
from evalhaven.cli.main import main
sys.argv = ["evalhaven", "--version"]
try:
    main()
except SystemExit:
    heavy = ("rich", "httpx2", "numpy", "fastapi", "sqlalchemy", "pydantic_settings", "asyncio")
    print(*(name for name in heavy if name in sys.modules))
"""


def test_a_start_loads_no_more_than_it_needs() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)

    assert done.stdout.splitlines()[-1] == ""
