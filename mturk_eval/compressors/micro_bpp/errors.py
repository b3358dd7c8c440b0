"""What can go wrong between an image, its few bytes of text and the models."""

from __future__ import annotations

from mturk_eval.errors import InvalidInputError, MturkEvalError


class CodeError(InvalidInputError):
    """Bytes are not a coded text, or a text cannot be coded."""


class PromptError(InvalidInputError):
    """A file of prompts is misnamed, empty, or lacks what must be filled in."""


class ModelAnswerError(MturkEvalError):
    """A model's answer to one question cannot be used: refused, empty, cut off, of a wrong size.

    Other images are not concerned. The answer is stored, but asked for again by the next run.
    """

    def __init__(self, step: str, model: str, problem: str) -> None:
        self.step, self.model, self.problem = step, model, problem
        super().__init__(f"step {step}, model {model}: {problem}")


class ModelServerError(MturkEvalError):
    """The models' server does not answer, or refuses what any image would ask of it."""
