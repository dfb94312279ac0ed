"""The program's entry point, and `python -m wavemel`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; a plain `wavemel classify` starts without what the others need."""
    if sys.argv[1:2] == ["classify"]:
        from wavemel.commands import quick

        request = quick.read(sys.argv[2:])
        if request is not None:
            from wavemel.commands.classifying import run
            from wavemel.commands.endings import one_sentence

            with one_sentence():
                code = run(request)
                sys.stdout.flush()
                sys.stderr.flush()
                if request.out is None:
                    # All is said. Taking numpy and onnxruntime apart in good order would take
                    # longer than classifying a file.
                    os._exit(code)
                raise SystemExit(code)
    from wavemel.commands.main import main as run_program

    run_program()


if __name__ == "__main__":
    main()
