"""Statistics of ratings and votes: arrays and tables in, frozen results out. Knows no HIT.

Each module fits one family and can be read alone: `mos` (means with bootstrap intervals), `mixed`
(crossed linear mixed models), `paired` (the balanced check beside them), `bradley_terry` (scores
from votes). A result's ``document()`` is the JSON object of ``mturk-eval analyze --json``.
"""
