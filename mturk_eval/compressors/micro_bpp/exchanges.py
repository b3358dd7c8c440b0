"""Questions to models and their answers, stored so that nothing is asked, and paid, twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mturk_eval.compressors.micro_bpp.errors import ModelAnswerError
from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question in a context of its own: what a model sees is all here.

    Attributes
    ----------
    step : str
        Which step asks, e.g. ``encode.describe``.
    model, prompt : str
    picture : bytes, optional
        A PNG that the model is shown.
    size_px : int, optional
        Side of the square picture that is wanted; None if words are.
    seed : int, optional
        Sent to models of words that take one.
    """

    step: str
    model: str
    prompt: str
    picture: bytes | None = None
    size_px: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered.

    Attributes
    ----------
    text : str
        Empty where a picture was wanted.
    picture : bytes, optional
        As PNG.
    problem : str
        Why it cannot be used; empty if it can.
    served_by : str
        The model's name as the server gave it.
    usage : mapping
        Tokens, as the server counted them.
    """

    text: str = ""
    picture: bytes | None = None
    problem: str = ""
    served_by: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)


Ask = Callable[[Question], Answer]
"""Where questions go; the answer can be used."""


class ExchangeLog:
    """All exchanges about one original: ``IMAGE.jsonl``, and in ``pictures/`` what models drew.

    Parameters
    ----------
    folder : Path
        Made with the first exchange.
    image : str
        The original's name as a part of a path.
    server : str
        The server's address without credentials: another server's answers are other answers.
    """

    def __init__(self, folder: Path, image: str, *, server: str) -> None:
        self.path = folder / f"{image}.jsonl"
        self._pictures = folder / "pictures"
        self._server = server

    def find(self, question: Question) -> Answer | None:
        """The answer that was given to the same question, if it could be used.

        Raises
        ------
        StimuliError
            If the file cannot be read.
        """
        wanted = self._asked(question)
        for record in self._records():
            if record.get("problem") or any(record.get(k) != v for k, v in wanted.items()):
                continue
            picture = None
            if record.get("answer_picture"):
                picture = self._picture(str(record["answer_picture"]))
                if picture is None:
                    continue
            return Answer(
                text=str(record.get("answer", "")),
                picture=picture,
                served_by=str(record.get("served_by", "")),
                usage=record.get("usage") or {},
            )
        return None

    def add(self, question: Question, answer: Answer) -> None:
        """Store an exchange; on return it is on the disk.

        Raises
        ------
        StimuliError
            If it cannot be written.
        """
        try:
            self._pictures.mkdir(parents=True, exist_ok=True)
            record = {
                **self._asked(question),
                "answer": answer.text,
                "answer_picture": self._keep(answer.picture),
                "problem": answer.problem,
                "served_by": answer.served_by,
                "usage": dict(answer.usage),
                "answered_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
            with self.path.open("ab") as file:
                # A line that a crash cut off must not swallow this one.
                if file.tell() and not _ends_with_newline(self.path):
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StimuliError(
                f"{self.path} cannot be written: {error.strerror or error}. The exchanges before "
                "are kept; the same command goes on from there."
            ) from error

    def _asked(self, question: Question) -> dict[str, Any]:
        return {
            "step": question.step,
            "server": self._server,
            "model": question.model,
            "prompt": question.prompt,
            "picture": None if question.picture is None else _digest(question.picture),
            "size_px": question.size_px,
            "seed": question.seed,
        }

    def _records(self) -> list[dict[str, Any]]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StimuliError(f"{self.path} cannot be read: {error.strerror}.") from error
        records = []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut off by a crash: that question is asked again
            if isinstance(record, dict):
                records.append(record)
        return records

    def _keep(self, picture: bytes | None) -> str | None:
        if picture is None:
            return None
        digest = _digest(picture)
        path = self._pictures / f"{digest}.png"
        if self._picture(digest) is None:
            write_whole(path, picture)
        return digest

    def _picture(self, digest: str) -> bytes | None:
        try:
            data = (self._pictures / f"{digest}.png").read_bytes()
        except OSError:
            return None
        return data if _digest(data) == digest else None


def remembering(ask: Ask, log: ExchangeLog) -> Ask:
    """Answer from the log what was answered before; ask and store the rest.

    The returned function raises `ModelAnswerError` for an answer that cannot be used, after it is
    stored.
    """

    def answer_once(question: Question) -> Answer:
        answer = log.find(question)
        if answer is None:
            answer = ask(question)
            log.add(question, answer)
        if answer.problem:
            raise ModelAnswerError(question.step, question.model, answer.problem)
        return answer

    return answer_once


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
