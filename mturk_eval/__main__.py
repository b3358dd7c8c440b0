"""``python -m mturk_eval`` is ``mturk-eval``."""

from mturk_eval.cli import main

main()
