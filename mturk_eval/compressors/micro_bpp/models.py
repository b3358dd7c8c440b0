"""Models behind any server that speaks OpenAI's API, by its official client (extra `micro-bpp`).

The key comes from the environment, and goes nowhere else: not into a record, a log or a message.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, SecretStr

from mturk_eval.compressors.micro_bpp.errors import ModelServerError
from mturk_eval.compressors.micro_bpp.exchanges import Answer, Question
from mturk_eval.errors import CredentialsError, InvalidInputError
from mturk_eval.stimuli.images import png_bytes
from mturk_eval.stimuli.making import FAILURES

if TYPE_CHECKING:
    import openai
    from openai.types import ImagesResponse
    from openai.types.chat import ChatCompletion, ChatCompletionContentPartParam

OPENAI_URL: Final = "https://api.openai.com/v1"
# How servers say that a rule of theirs stands against a question.
_REFUSALS: Final = ("content_policy_violation", "moderation_blocked", "content_filter")
_MOST_BYTES: Final = 1 << 27  # of a picture; 4096×4096 in three bytes have less than half of that
# What servers give; a stranger's file is handed to no other decoder, of which some run programs.
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_NOT_SAID: Final = "the server does not say why"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where models are asked, and how long.

    Attributes
    ----------
    url : str
        The API's base, e.g. ``https://api.openai.com/v1``.
    key_variable : str
        Name of the environment variable that holds the key.
    timeout_s : float
        Seconds until an answer is given up.
    retries : int
        How often the client tries again, with longer and longer waits, after 408, 409, 429, 5xx,
        a timeout or a lost connection.
    """

    url: str = OPENAI_URL
    key_variable: str = "OPENAI_API_KEY"
    timeout_s: float = 300.0
    retries: int = 4

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise InvalidInputError(
                f"--base-url or OPENAI_BASE_URL is not the address of an API, such as {OPENAI_URL}."
            )

    @property
    def name(self) -> str:
        """The address without user, password and query, for records."""
        return _without_credentials(self.url)

    def key(self) -> SecretStr:
        """The key, which no representation shows.

        Raises
        ------
        CredentialsError
            If the environment has none.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise CredentialsError(
                f"The environment has no {self.key_variable}. Put the API's key there, or name "
                "another variable (--key-variable). A server that wants no key takes any word."
            )
        return SecretStr(key)


class Models:
    """Answers questions through a server.

    Parameters
    ----------
    server : Server
    key : SecretStr
        See `Server.key`.

    Raises
    ------
    InvalidInputError
        If the client is not installed.
    """

    def __init__(self, server: Server, key: SecretStr) -> None:
        try:
            import openai
        except ImportError as error:
            raise InvalidInputError(
                "Models are asked through OpenAI's client, which is not installed: run "
                "`pip install 'mturk-eval[micro-bpp]'`."
            ) from error
        self._server, self._key = server, key.get_secret_value()
        self._client: openai.OpenAI = openai.OpenAI(
            api_key=self._key,
            base_url=server.url,
            timeout=server.timeout_s,
            max_retries=server.retries,
        )

    def answer(self, question: Question) -> Answer:
        """Ask one question, in a context of its own.

        Returns
        -------
        Answer
            With ``problem`` where the answer is a refusal, empty, cut off, too late, or not the
            picture that was wanted.

        Raises
        ------
        CredentialsError
            If the key is refused.
        ModelServerError
            If nothing answers, the model is unknown, or the limit of requests stays reached.
        """
        import openai

        try:
            if question.size_px is None:
                return self._words(question)
            return self._drawing(question, question.size_px)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise CredentialsError(
                f"{self._server.name} refuses the key in {self._server.key_variable} "
                f"({self._said(error)})."
            ) from None
        except openai.RateLimitError as error:
            raise ModelServerError(
                f"{self._server.name} wants no more requests for now ({self._said(error)}), also "
                f"after {self._server.retries} retries. What was answered is kept; the same "
                "command goes on from there."
            ) from None
        except openai.NotFoundError as error:
            raise ModelServerError(
                f"{self._server.name} has no model {question.model!r}, or not for this use "
                f"({self._said(error)})."
            ) from None
        except openai.APITimeoutError:
            return Answer(
                problem=f"no answer within {self._server.timeout_s:g} s; run the command again, "
                "or give it longer (--timeout)"
            )
        except openai.APIConnectionError:
            raise ModelServerError(
                f"Nothing answers at {self._server.name}. Check --base-url or OPENAI_BASE_URL. "
                "What was answered is kept; the same command goes on from there."
            ) from None
        except openai.BadRequestError as error:
            refused = str(error.code or "") in _REFUSALS
            return Answer(
                problem=f"{'refused' if refused else 'not accepted'} ({self._said(error)})"
            )
        except (openai.APIResponseValidationError, ValueError):  # no JSON
            raise self._no_api() from None
        except openai.APIError as error:
            return Answer(problem=f"the server failed ({self._said(error)})")

    def _words(self, question: Question) -> Answer:
        import openai
        from openai.types.chat import ChatCompletion

        content: list[ChatCompletionContentPartParam] = [{"type": "text", "text": question.prompt}]
        if question.picture is not None:
            encoded = base64.b64encode(question.picture).decode()
            url = f"data:image/png;base64,{encoded}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        reply = self._client.chat.completions.create(
            model=question.model,
            messages=[{"role": "user", "content": content}],
            seed=openai.omit if question.seed is None else question.seed,
        )
        if not isinstance(reply, ChatCompletion):
            raise self._no_api()
        return _read_words(reply, self._readable)

    def _drawing(self, question: Question, size_px: int) -> Answer:
        from openai.types import ImagesResponse

        wanted: dict[str, Any] = {
            "model": question.model,
            "prompt": question.prompt,
            "size": f"{size_px}x{size_px}",
            "n": 1,
        }
        if question.model.startswith("dall-e"):
            wanted["response_format"] = "b64_json"  # newer models always do, and refuse the word
        if question.picture is None:
            reply = self._client.images.generate(**wanted)
        else:
            picture = ("picture.png", question.picture, "image/png")
            reply = self._client.images.edit(image=picture, **wanted)
        if not isinstance(reply, ImagesResponse):
            raise self._no_api()
        return self._read_drawing(reply, size_px, question.model)

    def _read_drawing(self, reply: ImagesResponse, size_px: int, model: str) -> Answer:
        usage = _usage(reply)
        drawing = reply.data[0] if reply.data else None
        if drawing is None or not (drawing.b64_json or drawing.url):
            return Answer(problem="no picture came, which is how some servers refuse", usage=usage)
        try:
            data = (
                base64.b64decode(drawing.b64_json, validate=True)
                if drawing.b64_json
                else self._fetch(str(drawing.url))
            )
        except (binascii.Error, OSError) as error:
            return Answer(problem=f"its picture cannot be fetched ({error})", usage=usage)
        picture, problem = read_picture(data, size_px)
        return Answer(picture=picture, problem=problem, served_by=model, usage=usage)

    def _fetch(self, url: str) -> bytes:
        """A picture that the server gave as an address; fetched without the key."""
        import httpx

        data = bytearray()
        try:
            with httpx.stream(
                "GET", url, timeout=self._server.timeout_s, follow_redirects=True
            ) as reply:
                reply.raise_for_status()
                for part in reply.iter_bytes():
                    data += part
                    if len(data) > _MOST_BYTES:
                        raise OSError(f"it has more than {_MOST_BYTES:,} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(self._readable(str(error))) from None
        return bytes(data)

    def _no_api(self) -> ModelServerError:
        return ModelServerError(
            f"{self._server.name} answers, but not as OpenAI's API does. Check --base-url or "
            "OPENAI_BASE_URL; it often ends in /v1."
        )

    def _said(self, error: openai.APIError) -> str:
        """The server's own words, one line, without the key that some of them repeat."""
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        return self._readable(str(said or error.message or _NOT_SAID))

    def _readable(self, text: str) -> str:
        return " ".join(text.replace(self._key, "…").split())[:300]


def _read_words(reply: ChatCompletion, readable: Callable[[str], str]) -> Answer:
    # The client does not check what servers leave out.
    choice = reply.choices[0] if getattr(reply, "choices", None) else None
    message = getattr(choice, "message", None)
    content = getattr(message, "content", None)
    text = content.strip() if isinstance(content, str) else ""
    refusal, reason = getattr(message, "refusal", None), getattr(choice, "finish_reason", None)
    problem = ""
    if refusal:
        problem = f"refused ({readable(str(refusal))})"
    elif reason == "content_filter":
        problem = "refused (by the server's content filter)"
    elif reason == "length":
        problem = "the answer was cut off at the model's limit of tokens"
    elif not text:
        problem = "the answer is empty"
    served_by = str(getattr(reply, "model", None) or "")
    return Answer(text=text, problem=problem, served_by=served_by, usage=_usage(reply))


def _usage(reply: ChatCompletion | ImagesResponse) -> dict[str, Any]:
    """Tokens as counted by servers that do."""
    usage = getattr(reply, "usage", None)
    return usage.model_dump(mode="json", exclude_none=True) if isinstance(usage, BaseModel) else {}


def read_picture(data: bytes, size_px: int) -> tuple[bytes | None, str]:
    """The picture as PNG, or what is wrong with it."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            if image.size != (size_px, size_px):
                width, height = image.size
                return None, (
                    f"its picture has {width}×{height} pixels, and {size_px}×{size_px} were asked "
                    "for; ask for what the model makes (--size)"
                )
            return png_bytes(image.convert("RGB")), ""
    except UnidentifiedImageError:
        return None, f"its picture cannot be decoded (none of {', '.join(_FORMATS)})"
    except (*FAILURES, SyntaxError, Image.DecompressionBombError) as error:
        return None, f"its picture cannot be decoded ({error})"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
