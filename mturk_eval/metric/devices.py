"""Where torch computes."""

from __future__ import annotations

import re
from typing import Final

from mturk_eval.metric.errors import MetricInputError, import_extra

_NAMES: Final = re.compile(r"cpu|cuda(:\d+)?")


def check_device(device: str) -> None:
    """Refuse a device that torch does not have here, before anything is computed.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, or one of several: ``cuda:1``.

    Raises
    ------
    MetricInputError
        If it is none of these, or torch sees no such device.
    MissingExtraError
        If torch is not installed.

    Examples
    --------
    >>> check_device("gpu")
    Traceback (most recent call last):
    ...
    mturk_eval.metric.errors.MetricInputError: device gpu: give cpu, cuda, or one of several such \
as cuda:1.
    """
    if not _NAMES.fullmatch(device):
        raise MetricInputError(
            f"device {device}: give cpu, cuda, or one of several such as cuda:1."
        )
    if device == "cpu":
        return
    torch = import_extra("torch", "Running a backbone")
    number = int(device.partition(":")[2] or 0)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= there:
        found = f"{there} CUDA device{'' if there == 1 else 's'}" if there else "no CUDA device"
        raise MetricInputError(
            f"device {device}: torch {torch.__version__} sees {found} here. Use cpu, or install a "
            "torch build with CUDA."
        )
