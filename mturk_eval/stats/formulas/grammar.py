"""Model formulas in lme4's syntax: every token checked and the bars parsed here.

A formula holds names of columns, ``+ - : *``, parentheses, 0 and 1, and terms with bars; nothing
in it is ever evaluated as code. formulaic, which evaluates what it does not know, gets the terms
only once they are known to be these. ``||`` makes all of a term's effects independent, those of a
factor's levels too, as afex and glmmTMB do and lme4 2.0 on request; older lme4 does so only for
numeric columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mturk_eval.errors import InvalidInputError

NAME = re.compile(r"[^\W\d][\w.]*")
_TOKEN = re.compile(r"\s*([^\W\d][\w.]*|\|\||\*\*|[-+:*()|/~]|[\d.][\w.]*|'[^']*'|\"[^\"]*\"|\S)")
_QUOTES = frozenset("'\"")
_ALLOWED = frozenset("+-:*()|/~01") | {"||"}
_BAR = re.compile(r"\(([^()|]*(?:\([^()]*\)[^()|]*)*)(\|\|?)([^()|]*)\)")


class FormulaError(InvalidInputError):
    """A formula cannot be read, or does not fit the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTerm:
    """``(expression | group)``; ``independent`` for ``||``. ``groups`` holds g and h of ``g:h``."""

    expression: str
    groups: tuple[str, ...]
    independent: bool

    @property
    def group(self) -> str:
        """The group as lme4 writes it, e.g. ``image:method``."""
        return ":".join(self.groups)

    def __str__(self) -> str:
        return f"({self.expression} {'||' if self.independent else '|'} {self.group})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFormula:
    """``response ~ fixed + (… | group) …``, parsed."""

    response: str
    fixed: str
    random: tuple[RandomTerm, ...]

    @property
    def variables(self) -> frozenset[str]:
        """Names of the columns it uses besides the response."""
        names = set(self.fixed_variables)
        for term in self.random:
            names |= {*columns_in(term.expression), *term.groups}
        return frozenset(names)

    @property
    def term_variables(self) -> frozenset[str]:
        """Names of the columns in the fixed part and left of bars."""
        left_of_bars = (columns_in(term.expression) for term in self.random)
        return self.fixed_variables.union(*left_of_bars)

    @property
    def fixed_variables(self) -> frozenset[str]:
        """Names of the columns in the fixed part."""
        return frozenset(columns_in(self.fixed))

    def __str__(self) -> str:
        return " + ".join([f"{self.response} ~ {self.fixed}", *map(str, self.random)])


def parse_formula(text: str) -> ModelFormula:
    """Parse a formula.

    Raises
    ------
    FormulaError
        If it is no formula of this kind, or has no random term; the message names the token.

    Examples
    --------
    >>> formula = parse_formula("rating ~ method + (1 + method | image) + (1 | rater)")
    >>> formula.fixed, [str(term) for term in formula.random]
    ('method', ['(1 + method | image)', '(1 | rater)'])
    """
    _check_tokens(text)
    response, tilde, right = (part.strip() for part in text.partition("~"))
    if not tilde or not NAME.fullmatch(response) or "~" in right:
        raise FormulaError(f"--formula '{text}': write COLUMN ~ TERMS + (1 | GROUP).")
    random: list[RandomTerm] = []
    for match in _BAR.finditer(right):
        random.extend(_random_terms(text, match))
    fixed = _BAR.sub("", right)
    if "/" in fixed:
        raise FormulaError(
            f"--formula '{text}': '/' nests groups and stands right of a bar only, as in (1 | a/b)."
        )
    if "|" in fixed:
        raise FormulaError(
            f"--formula '{text}': write every random term in parentheses, e.g. (1 | rater)."
        )
    if not random:
        raise FormulaError(
            f"--formula '{text}' has no random term; add e.g. (1 + method | image) + (1 | rater)."
        )
    fixed = re.sub(r"\s*\+\s*(?=\+|$)", "", fixed.strip())
    fixed = re.sub(r"^\s*\+\s*", "", fixed)
    return ModelFormula(
        response=response, fixed=" ".join(fixed.split()) or "1", random=tuple(random)
    )


def _check_tokens(text: str) -> None:
    """Refuse whatever is no name, operator, parenthesis, 0, 1 or bar."""
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        is_name = NAME.fullmatch(token) is not None
        if not is_name and token not in _ALLOWED:
            raise FormulaError(
                f"--formula '{text}': {token if token[0] in _QUOTES else repr(token)} has no place "
                "in a formula. Write names of columns, + - : *, parentheses, 0, 1 and "
                "(TERMS | GROUP); rename a column with another name by --column NAME=COLUMN."
            )
        if is_name and tokens[place + 1 : place + 2] == ["("]:
            raise FormulaError(
                f"--formula '{text}': '{token}(' would call a function, and formulas hold names of "
                "columns only. Put the computed values into a column of the table."
            )
    if tokens.count("(") != tokens.count(")"):
        raise FormulaError(f"--formula '{text}': a parenthesis lacks its partner.")


def _random_terms(text: str, match: re.Match[str]) -> list[RandomTerm]:
    expression = " ".join(match[1].split())
    group = match[3].strip()
    if not expression or not group:
        raise FormulaError(f"--formula '{text}': {match[0]} lacks a side; write (1 | GROUP).")
    nested = [name.strip() for name in group.split("/")]
    paths = [nested[: depth + 1] for depth in range(len(nested))] if len(nested) > 1 else [[group]]
    terms = []
    for path in paths:
        groups = tuple(name.strip() for part in path for name in part.split(":"))
        wrong = [name for name in groups if not NAME.fullmatch(name)]
        if wrong:
            raise FormulaError(
                f"--formula '{text}': '{group}' is no group; write a column, a:b or a/b."
            )
        terms.append(RandomTerm(expression=expression, groups=groups, independent=match[2] == "||"))
    return terms


def columns_in(expression: str) -> set[str]:
    """Names of the columns in an expression."""
    return set(NAME.findall(expression))
