"""The command line: each command parses, calls one library function, and shows the result."""

from __future__ import annotations

import sys

from mturk_eval.errors import MturkEvalError


def main() -> None:
    """Run ``mturk-eval``: 0 fine, 1 failed, 2 wrong usage or invalid input."""
    try:
        from mturk_eval.cli.app import app

        app(prog_name="mturk-eval")
    except KeyboardInterrupt:
        # Before a command could say what it kept: nothing was begun.
        sys.stderr.write("Error: stopped.\n")
        sys.exit(130)
    except MturkEvalError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; that is no failure of ours.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"Error: {place}{error.strerror or error}\n")
        sys.exit(1)
