"""A stand-in for servers of models: OpenAI's API over real HTTP, without any intelligence.

It sees a picture as sixteen fields of named colours, says so in sentences, and paints fields from
words, eight at once, so that there is something left to reflect on. The same question always gets
the same answer. What is wrong with some servers, its models with telling names do.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import numpy as np
import uvicorn
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

COLOURS: Final = {
    "black": (10, 10, 10), "white": (245, 245, 245), "grey": (128, 128, 128),
    "silver": (190, 190, 190), "red": (200, 30, 30), "maroon": (100, 20, 20),
    "orange": (235, 130, 30), "gold": (215, 175, 55), "yellow": (240, 230, 60),
    "olive": (110, 110, 40), "green": (40, 140, 50), "teal": (30, 110, 110),
    "cyan": (90, 210, 220), "blue": (45, 80, 200), "navy": (20, 25, 80),
    "purple": (110, 40, 130), "pink": (240, 170, 190), "brown": (120, 75, 40),
    "tan": (200, 170, 130), "beige": (235, 220, 190),
}  # fmt: skip
ROWS: Final = ("top", "upper", "lower", "bottom")
COLUMNS: Final = ("left", "midleft", "midright", "right")
BACKGROUND: Final = "background"
HELPERS: Final = frozenset(("a", "area", "at", "huge", "small", "the"))
FIELDS_AT_ONCE: Final = 8
WRONG_KEY: Final = "sk-wrong-1234567890"

_VOCABULARY: Final = (*COLOURS, *ROWS, *COLUMNS, BACKGROUND)
_EVERY: Final = (0, 1, 2, 3)
_Field = tuple[str, Sequence[int], Sequence[int]]  # a colour, rows, columns


@dataclass
class StandIn:
    """A running stand-in: where it is, and what it was asked."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def count(self, path: str) -> int:
        """How many requests came to a path's end."""
        return sum(request["path"].endswith(path) for request in self.asked)


@contextmanager
def running() -> Iterator[StandIn]:
    """Serve on a free port of this machine as long as the block lasts."""
    stand_in = StandIn()
    listener = socket.create_server(("127.0.0.1", 0))
    # Else an answer's body waits 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stand_in.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = uvicorn.Server(
        uvicorn.Config(_app(stand_in), log_level="critical", lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


# --- seeing and painting -------------------------------------------------------------------------


def describe(picture: Image.Image) -> str:
    """Sixteen fields in sentences, those that differ most from the background first."""
    small = np.asarray(picture.convert("RGB").resize((4, 4), Image.Resampling.BOX), float)
    names = [[_nearest(small[row, column]) for column in range(4)] for row in range(4)]
    background = Counter(name for row in names for name in row).most_common(1)[0][0]
    contrast = np.abs(small - COLOURS[background]).sum(axis=2)
    order = np.argsort(-contrast, axis=None, kind="stable")
    sentences = [f"A huge {background} background."]
    for place in order:
        row, column = divmod(int(place), 4)
        if names[row][column] != background:
            sentences.append(
                f"A small {names[row][column]} area at the {ROWS[row]} {COLUMNS[column]}."
            )
    return " ".join(sentences)


def paint(text: str, size_px: int, on: Image.Image | None = None) -> Image.Image:
    """Paint fields from words on a picture, or on a new one; of each line, the first eight."""
    picture = on.copy() if on is not None else Image.new("RGB", (size_px, size_px), COLOURS["grey"])
    draw, side = ImageDraw.Draw(picture), size_px // 4
    for line in text.splitlines():
        for colour, rows, columns in _fields(line)[: FIELDS_AT_ONCE + 1]:
            for row in rows:
                for column in columns:
                    x, y = column * side, row * side
                    draw.rectangle((x, y, x + side - 1, y + side - 1), fill=COLOURS[colour])
    return picture


def _fields(text: str) -> list[_Field]:
    """What a text says of fields; a field without a column is the whole row."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word in _VOCABULARY]
    fields: list[_Field] = []
    for place, word in enumerate(words):
        following = [*words[place + 1 : place + 3], "", ""]
        if word not in COLOURS:
            continue
        if following[0] == BACKGROUND:
            fields.append((word, _EVERY, _EVERY))
        elif following[0] in ROWS:
            known = following[1] in COLUMNS
            columns = (COLUMNS.index(following[1]),) if known else _EVERY
            fields.append((word, (ROWS.index(following[0]),), columns))
    return fields


def _nearest(colour: np.ndarray[Any, Any]) -> str:
    return min(COLOURS, key=lambda name: float(np.abs(colour - COLOURS[name]).sum()))


# --- the models ----------------------------------------------------------------------------------


def _reply(prompt: str, picture: Image.Image | None, model: str) -> str:
    """What a model of words answers, by what our prompts say."""
    question, _, material = prompt.partition("\n\n")
    if picture is not None:
        return describe(picture)
    if "most important words" in question:
        wanted = int(re.findall(r"\d+", question)[0])
        words = [w for w in re.findall(r"[a-z]+", material.lower()) if w not in HELPERS][1:]
        if model == "wordy":
            words = words * 50
            wanted *= 2
        return ", ".join(words[:wanted])
    if "leave out all vowels" in question:
        return re.sub(r"[aeiouy]", "", material.partition("\n")[2])
    if "vowels, plurals" in question:
        return _expand(material.partition("\n")[2].split())
    if "most important difference" in question:
        return _compare(material)
    return "I see."


def _expand(shortened: Sequence[str]) -> str:
    known = {re.sub("[aeiouy]", "", word): word for word in _VOCABULARY}
    return " ".join(known[word] for word in shortened if word in known) + "."


def _compare(material: str) -> str:
    """The first field that the second description has and the first one lacks."""
    seen, wanted = (_painted(text) for text in material.split("Second description:"))
    for (row, column), colour in wanted.items():
        if seen.get((row, column)) != colour:
            return f"Add a small {colour} area at the {ROWS[row]} {COLUMNS[column]}."
    return "There is no difference."


def _painted(text: str) -> dict[tuple[int, int], str]:
    return {
        (row, column): colour
        for colour, rows, columns in _fields(text)
        for row in rows
        for column in columns
    }


# --- the API -------------------------------------------------------------------------------------


def _app(stand_in: StandIn) -> Starlette:
    async def chat(request: Request) -> Response:
        body = await request.json()
        content = body["messages"][0]["content"]
        prompt = next(part["text"] for part in content if part["type"] == "text")
        pictures = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
        picture = _open(base64.b64decode(pictures[0].split(",")[1])) if pictures else None
        refused = await _admit(stand_in, request, body["model"], prompt)
        return refused or _completion(body["model"], prompt, picture)

    async def generate(request: Request) -> Response:
        body = await request.json()
        refused = await _admit(stand_in, request, body["model"], body["prompt"])
        return refused or _pictures(stand_in, request, body, None)

    async def edit(request: Request) -> Response:
        async with request.form() as form:
            body = {key: str(form[key]) for key in ("model", "prompt", "size")}
            upload = form["image"]
            assert not isinstance(upload, str)
            picture = _open(await upload.read())
        refused = await _admit(stand_in, request, body["model"], body["prompt"])
        return refused or _pictures(stand_in, request, body, picture)

    async def fetch(request: Request) -> Response:
        return Response(stand_in.pictures[request.path_params["name"]], media_type="image/png")

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/images/generations", generate, methods=["POST"]),
            Route("/v1/images/edits", edit, methods=["POST"]),
            Route("/pictures/{name}", fetch),
        ]
    )


async def _admit(stand_in: StandIn, request: Request, model: str, prompt: str) -> Response | None:
    """Note a request; what those get that get no answer."""
    stand_in.asked.append({"path": request.url.path, "model": model, "prompt": prompt})
    key = request.headers["authorization"].removeprefix("Bearer ")
    before = sum(asked["model"] == model for asked in stand_in.asked)
    if key == WRONG_KEY:
        return _error(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
    if model == "busy" or (model == "busy-twice" and before <= 2):
        return _error(429, "Rate limit reached for requests.", "rate_limit_exceeded")
    if model == "unknown":
        return _error(404, "The model `unknown` does not exist.", "model_not_found")
    if model == "broken":
        return _error(500, "The server had an error.", None)
    if model == "strict":
        return _error(400, "Your request was rejected by the safety system.", "moderation_blocked")
    if model == "page":
        return Response("<html>Welcome</html>", media_type="text/html")
    if model in ("odd", "garbled"):
        text = '{"id": 5, "choices": [{"text": "?"}], "data": {}}' if model == "odd" else '{"id'
        return Response(text, media_type="application/json")
    if model == "slow":
        await asyncio.sleep(2)
    return None


def _completion(model: str, prompt: str, picture: Image.Image | None) -> Response:
    text, refusal, reason = _reply(prompt, picture, model), None, "stop"
    if model == "shy" and picture is not None and "red background" in text:
        text, refusal = "", "I cannot describe this picture."
    if model == "filtered":
        text, reason = "", "content_filter"
    if model == "cut":
        reason = "length"
    if model == "mute":
        text = " "
    if model == "vowels":
        text = "eye, aye, I"
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": f"{model}-2026-01-01",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": refusal},
                    "finish_reason": reason,
                }
            ],
            "usage": {
                "prompt_tokens": len(prompt.split()),
                "completion_tokens": len(text.split()),
                "total_tokens": len(prompt.split()) + len(text.split()),
            },
        }
    )


def _pictures(
    stand_in: StandIn, request: Request, body: dict[str, Any], on: Image.Image | None
) -> Response:
    model, size_px = body["model"], int(body["size"].split("x")[0])
    picture = paint(body["prompt"], size_px, on)
    if model == "half-size":
        picture = picture.resize((size_px // 2, size_px // 2))
    if model == "oblong":
        picture = picture.resize((size_px, size_px // 2))
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    data = b"no picture" if model == "noise" else buffer.getvalue()
    encoded = {"b64_json": base64.b64encode(data).decode()}
    if model == "address":
        name = str(len(stand_in.pictures))
        stand_in.pictures[name] = data
        encoded = {"url": f"{request.base_url}pictures/{name}"}
    return JSONResponse({"created": 1, "data": [] if model == "silent" else [encoded]})


def _error(status: int, message: str, code: str | None) -> Response:
    return Response(
        json.dumps({"error": {"message": message, "type": "error", "code": code, "param": None}}),
        status,
        headers={"retry-after-ms": "1"},
        media_type="application/json",
    )


def _open(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as picture:
        return picture.convert("RGB")
