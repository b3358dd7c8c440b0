"""Semantic compression to micro-bits per pixel: a picture as a few words without vowels.

Describe, keep K words, shorten them to four bits a character; in a context apart, expand them,
make a picture, and improve it by describing and comparing [1]_.

References
----------
.. [1] Dotzel et al. (2024), Exploring the limits of semantic image compression at micro-bits per
   pixel, ICLR Tiny Papers.
"""

from mturk_eval.compressors.micro_bpp.consonants import Code, Rate, shorten, split_words
from mturk_eval.compressors.micro_bpp.decoder import Decoded, DecoderSettings, decode
from mturk_eval.compressors.micro_bpp.encoder import Encoded, EncoderSettings, encode
from mturk_eval.compressors.micro_bpp.errors import (
    CodeError,
    ModelAnswerError,
    ModelServerError,
    PromptError,
)
from mturk_eval.compressors.micro_bpp.exchanges import (
    Answer,
    Ask,
    ExchangeLog,
    Question,
    remembering,
)
from mturk_eval.compressors.micro_bpp.files import (
    EXCHANGES,
    METHOD,
    Compressed,
    Made,
    MicroBpp,
    compress_files,
    write_squares,
)
from mturk_eval.compressors.micro_bpp.models import OPENAI_URL, Models, Server
from mturk_eval.compressors.micro_bpp.prompts import Prompts, load_prompts

__all__ = [
    "EXCHANGES",
    "METHOD",
    "OPENAI_URL",
    "Answer",
    "Ask",
    "Code",
    "CodeError",
    "Compressed",
    "Decoded",
    "DecoderSettings",
    "Encoded",
    "EncoderSettings",
    "ExchangeLog",
    "Made",
    "MicroBpp",
    "ModelAnswerError",
    "ModelServerError",
    "Models",
    "PromptError",
    "Prompts",
    "Question",
    "Rate",
    "Server",
    "compress_files",
    "decode",
    "encode",
    "load_prompts",
    "remembering",
    "shorten",
    "split_words",
    "write_squares",
]
