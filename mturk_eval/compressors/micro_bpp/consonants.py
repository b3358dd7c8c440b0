"""Text in four bits a character: fifteen consonants and the space, and an escape for the rest.

The paper keeps fifteen consonants and counts four bits for each character, though its own example
texts hold a w. Here what is outside the alphabet is kept and paid for, and the bytes counted are
the bytes of a file that can be read back.

A file is the number of its payload's bytes (LEB128: one byte up to 127, two up to 16,383), then the
payload, two symbols a byte, the first in the high half. A last lone symbol is followed by a space,
with which no text ends. Two spaces are an escape: the symbol behind them is w, j, q, x, z or a
digit. Texts hold single spaces only, so that three spaces are one space and an escape.

References
----------
.. [1] Dotzel et al. (2024), Exploring the limits of semantic image compression at micro-bits per
   pixel, ICLR Tiny Papers. Section 2 and appendix B.1.1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mturk_eval.compressors.micro_bpp.errors import CodeError

CONSONANTS: Final = "ntsrhldcmfgpbkv"
OUTSIDE: Final = "wjqxz0123456789"
"""Characters kept at the price of three symbols each."""

_SPACE: Final = len(CONSONANTS)
_CANONICAL: Final = re.compile(rf"[{CONSONANTS}{OUTSIDE}]+(?: [{CONSONANTS}{OUTSIDE}]+)*")
_NO_PLURAL: Final = ("ss", "us", "is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a text costs, in 1e-6 bits per pixel of the picture (µbpp).

    Attributes
    ----------
    symbols : int
        Characters of the alphabet, spaces and escapes included.
    symbol_rate, payload_rate, file_rate : float
        By 4 bits a symbol, as the paper counts; by the payload's whole bytes; by the file.
    """

    symbols: int
    symbol_rate: float
    payload_rate: float
    file_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A text of consonants: all that goes from the encoder to the decoder.

    Parameters
    ----------
    text : str
        Words of ``CONSONANTS`` and ``OUTSIDE``, with single spaces between.

    Raises
    ------
    CodeError
        If the text is empty or holds something else.

    Examples
    --------
    >>> code = Code(text="ndn trdtln rch")
    >>> len(code.file), Code.read(code.file) == code
    (8, True)
    """

    text: str

    def __post_init__(self) -> None:
        if not _CANONICAL.fullmatch(self.text):
            raise CodeError(
                f"{self.text[:60]!r} cannot be coded: words of {CONSONANTS} or {OUTSIDE}, with "
                "single spaces between."
            )

    @property
    def symbols(self) -> tuple[int, ...]:
        """The text in symbols of four bits."""
        symbols: list[int] = []
        for character in self.text:
            if character == " ":
                symbols.append(_SPACE)
            elif character in CONSONANTS:
                symbols.append(CONSONANTS.index(character))
            else:
                symbols += [_SPACE, _SPACE, OUTSIDE.index(character)]
        return tuple(symbols)

    @property
    def payload(self) -> bytes:
        """Two symbols a byte."""
        symbols = self.symbols
        if len(symbols) % 2:
            symbols += (_SPACE,)
        return bytes(16 * high + low for high, low in zip(symbols[::2], symbols[1::2], strict=True))

    @property
    def file(self) -> bytes:
        """Length and payload: the bytes whose number counts."""
        return _leb128(len(self.payload)) + self.payload

    @classmethod
    def read(cls, file: bytes) -> Code:
        """Read a coded file, without anything else.

        Raises
        ------
        CodeError
            If it is not exactly what `file` writes for some text.
        """
        length, start = _read_leb128(file)
        payload = file[start:]
        if length != len(payload):
            raise CodeError(
                f"The coded file says {length} bytes of text and holds {len(payload)}: it was cut "
                "or is something else. Encode the image again."
            )
        symbols = [half for byte in payload for half in (byte >> 4, byte & 15)]
        if symbols and symbols[-1] == _SPACE:
            symbols.pop()
        code = cls(text=_text(symbols))
        if code.file != file:
            raise CodeError("The coded file is not in its one form. Encode the image again.")
        return code

    def rate(self, pixels: int) -> Rate:
        """What the text costs for a picture of so many pixels.

        Examples
        --------
        >>> Code(text="n" * 25).rate(1024 * 1024)
        Rate(symbols=25, symbol_rate=95.367..., payload_rate=99.18..., file_rate=106.81...)
        """
        n_symbols = len(self.symbols)
        return Rate(
            symbols=n_symbols,
            symbol_rate=4e6 * n_symbols / pixels,
            payload_rate=8e6 * len(self.payload) / pixels,
            file_rate=8e6 * len(self.file) / pixels,
        )


def split_words(text: str) -> tuple[str, ...]:
    """The words of a model's answer: without list marks and punctuation, accents taken off.

    Examples
    --------
    >>> split_words("1. Blue-grey boats,\\n2. the man's café")
    ('Blue', 'grey', 'boats', 'the', 'mans', 'cafe')
    """
    without_marks = re.sub(r"^\s*(?:\d+[.)]\s|[-*•]\s)", "", text, flags=re.MULTILINE)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", without_marks) if not unicodedata.combining(c)
    )
    return tuple(re.findall(r"[^\W_]+", re.sub(r"['’]", "", plain)))


def consonants_of(word: str) -> str:
    """A word without case, plural s and vowels (y among them); empty if nothing is left.

    Examples
    --------
    >>> [consonants_of(word) for word in ("Windows", "grass", "yellow", "eye", "2")]
    ['wndw', 'grss', 'llw', '', '2']
    """
    lower = word.lower()
    if len(lower) > 3 and lower.endswith("s") and not lower.endswith(_NO_PLURAL):
        lower = lower[:-1]
    return "".join(c for c in lower if c in CONSONANTS or c in OUTSIDE)


def shorten(words: Sequence[str]) -> tuple[Code, tuple[str, ...]]:
    """Turn words into the text that is sent, by rule.

    Returns
    -------
    code : Code
    lost : tuple of str
        Words of which nothing is left, such as ``eye``, or words in another script.

    Raises
    ------
    CodeError
        If nothing is left of any word.

    Examples
    --------
    >>> code, lost = shorten(["Indian", "arches", "air"])
    >>> code.text, lost
    ('ndn rch r', ())
    """
    shortened = [(word, consonants_of(word)) for word in words]
    text = " ".join(short for _, short in shortened if short)
    if not text:
        raise CodeError(
            f"Nothing is left of {' '.join(words)[:80]!r} without its vowels; the prompts must ask "
            "for words in Latin letters."
        )
    return Code(text=text), tuple(word for word, short in shortened if not short)


def _text(symbols: Sequence[int]) -> str:
    """Symbols as text; two spaces and the symbol behind them are one character."""
    text, place = [], 0
    while place < len(symbols):
        if symbols[place] != _SPACE:
            text.append(CONSONANTS[symbols[place]])
            place += 1
            continue
        end = place
        while end < len(symbols) and symbols[end] == _SPACE:
            end += 1
        spaces = end - place
        if end == len(symbols) or spaces > 3:
            raise CodeError(
                "The coded file holds spaces where no text has them. Encode the image again."
            )
        if spaces in (1, 3):
            text.append(" ")
        if spaces >= 2:
            text.append(OUTSIDE[symbols[end]])
            end += 1
        place = end
    return "".join(text)


def _leb128(number: int) -> bytes:
    """A whole number, seven bits a byte from the lowest up; a set top bit says that more follow."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _read_leb128(data: bytes) -> tuple[int, int]:
    """The number, and where the rest begins."""
    number = 0
    for place, byte in enumerate(data[:4]):
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, place + 1
    raise CodeError("The coded file does not begin with its length. Encode the image again.")
