"""The whole way on sample photographs: one call that shows what the product does."""

from __future__ import annotations

from mturk_eval.demo.run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
