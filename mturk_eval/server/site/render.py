"""Templates to pages, with the headers that worker pages need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import jinja2
from starlette.responses import HTMLResponse

STATIC: Final = Path(__file__).parent / "static"

# No inline script or style, never framed, forms go nowhere else; what is framed has its own policy.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self' "
    "http: https:; form-action 'self'; base-uri 'none'; frame-ancestors {framed_by}"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(
    template: str, *, status: int = 200, framed_by: str = "'none'", **values: object
) -> HTMLResponse:
    """A worker page; ``framed_by`` names who may frame it."""
    html = _TEMPLATES.get_template(template).render(**values)
    policy = _POLICY.format(framed_by=framed_by)
    return HTMLResponse(html, status, {**_HEADERS, "Content-Security-Policy": policy})


def message(
    heading: str,
    text: str,
    *,
    status: int,
    worker: object = None,
    link: tuple[str, str] = ("/", "See all tasks"),
) -> HTMLResponse:
    """A page that says one thing; ``link`` is where to go on, and its text."""
    return page("message.html", status=status, worker=worker, heading=heading, text=text, link=link)


def usd(amount: Decimal) -> str:
    """E.g. ``$1,204.50``."""
    return f"${amount:,.2f}"


def duration(length: timedelta | int) -> str:
    """A length of time as people say it, from a timedelta or seconds.

    Examples
    --------
    >>> duration(90), duration(3600), duration(30)
    ('2 min', '1 h', '30 s')
    """
    seconds = int(length.total_seconds()) if isinstance(length, timedelta) else length
    if seconds < 60:
        return f"{max(0, seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def clock_face(length: timedelta) -> str:
    """What a countdown shows: ``m:ss``, or ``h:mm:ss``."""
    seconds = max(0, int(length.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def moment(time: datetime) -> str:
    """E.g. ``3 Aug 2026, 14:05 UTC``."""
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters.update(usd=usd, duration=duration, clock_face=clock_face, moment=moment)
