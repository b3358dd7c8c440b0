"""Trials whose pictures tell where they are sampled, and a small marketplace that serves pages."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import numpy as np
from PIL import Image

from mturk_eval.trials import SatisfactionTrial, Stimulus, TwoAfcTrial

WIDTH, HEIGHT = 1500, 1000
SANDBOX = "sandbox allow-scripts allow-forms"


def stimulus(name: str, *, image: str = "rocks", method: str = "original") -> Stimulus:
    return Stimulus(
        id=name,
        role="original" if method == "original" else "reconstruction",
        image=image,
        method=method,
        width_px=WIDTH,
        height_px=HEIGHT,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        path=f"images/{hashlib.sha256(name.encode()).hexdigest()}.png",
    )


def rating(n: int) -> SatisfactionTrial:
    return SatisfactionTrial(
        id=f"r{n:07}",
        role="main",
        original=stimulus(f"o{n}"),
        reconstruction=stimulus(f"x{n}", method="jpeg"),
    )


def choice(n: int) -> TwoAfcTrial:
    return TwoAfcTrial(
        id=f"c{n:07}",
        role="main",
        original=stimulus(f"o{n}"),
        left=stimulus(f"l{n}", method="jpeg"),
        right=stimulus(f"r{n}", method="webp"),
    )


def coordinate_png(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A picture that tells the place of each pixel: x and y in twelve bits each, over r, g, b."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([x & 255, y & 255, (x >> 8) | ((y >> 8) << 4)], axis=-1)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@dataclass
class PageServer:
    """Serves one page and its pictures, and keeps what is submitted."""

    origin: str = ""
    html: str = ""
    policy: str = SANDBOX
    picture: bytes = b""
    other_pictures: dict[str, bytes] = field(default_factory=dict)
    """By path, instead of ``picture``."""
    failures: int = 0
    """How many requests for pictures are answered with an error before any succeeds."""
    submissions: list[dict[str, str]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    def image_url(self, stimulus: Stimulus) -> str:
        return f"{self.origin}/images/{Path(stimulus.path).name}"

    def url(self, assignment: str = "ASSIGNMENT1") -> str:
        target = quote(self.origin, safe="")
        return f"{self.origin}/hit?assignmentId={assignment}&turkSubmitTo={target}"


@contextmanager
def serve_pages() -> Iterator[PageServer]:
    """Run a `PageServer` on a free port."""
    state = PageServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/hit":
                headers = {"Content-Type": "text/html; charset=utf-8"}
                if state.policy:
                    headers["Content-Security-Policy"] = state.policy
                self.answer(200, state.html.encode(), headers)
            elif self.path.startswith("/images/") and state.failures:
                state.failures -= 1
                self.answer(503, b"", {})
            elif self.path.startswith("/images/"):
                picture = state.other_pictures.get(self.path, state.picture)
                self.answer(200, picture, {"Content-Type": "image/png"})
            else:
                self.answer(404, b"", {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            state.targets.append(self.path)
            state.submissions.append(dict(parse_qsl(body, keep_blank_values=True)))
            self.answer(200, b"thanks", {"Content-Type": "text/html"})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Cache-Control": "no-store"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a test's output is about failures."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    state.origin = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield state
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
