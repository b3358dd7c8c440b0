"""What can go wrong with a learned metric, its backbone, its pictures and its files."""

from __future__ import annotations

from functools import partial

from mturk_eval import extras
from mturk_eval.errors import InvalidInputError, MturkEvalError


class MetricError(MturkEvalError):
    """A learned metric cannot be made or used."""


class MetricInputError(MetricError, InvalidInputError):
    """What the user gave a metric is wrong: a picture, a row, an option (exit code 2)."""


class BackboneError(MetricError):
    """A backbone's weights are missing, incomplete, or not those that were asked for."""


class MetricFileError(MetricError, InvalidInputError):
    """A file of metric weights or features is not what it should be (exit code 2)."""


import_extra = partial(extras.import_extra, extra="metric")
"""Import a library of the extra ``metric``, or say how to install it."""
