"""Schedules: which trials a study has, on which side what stands, and in which HIT and order.

Pure functions of stimuli and a seed: the same input gives the same schedule to the byte.
"""

from __future__ import annotations

from mturk_eval.design.schedule import Schedule, satisfaction_schedule, two_afc_schedule

__all__ = ["Schedule", "satisfaction_schedule", "two_afc_schedule"]
