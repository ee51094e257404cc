"""The server: `python -m tests.llama` prints its address and serves until its standard input ends."""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.llama.models import CONTEXT_TOKENS, write_encoders, write_model
from tests.llama.server import LLAMA_MODULE, MODEL

_ERRORS_ONLY = 1
_HTTP_THREADS = 64  # a connection that is kept open occupies one


def _start(directory: Path, port: int) -> Any:
    model_path, encoders_path = directory / "model.gguf", directory / "encoders.gguf"
    write_model(model_path)
    write_encoders(encoders_path)
    llama: Any = importlib.import_module(LLAMA_MODULE)  # without stubs, and without source that would say as much
    settings = llama.CommonParams()
    settings.model.path, settings.mmproj.path = str(model_path), str(encoders_path)
    settings.model_alias = {MODEL}
    settings.port = port
    settings.n_ctx = CONTEXT_TOKENS
    settings.n_parallel = 1  # requests computed in one batch change each other's last digits, now and then a letter
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.n_threads_http = _HTTP_THREADS
    settings.cache_ram_mib = 0
    settings.endpoint_metrics = True
    settings.warmup = False
    settings.verbosity = _ERRORS_ONLY
    return llama.Server(settings)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.llama", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evalhaven-llama-") as directory:
        server = _start(Path(directory), arguments.port)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends with whoever started this, however that ends, so that nothing stays behind


if __name__ == "__main__":
    _main()
