"""A study of the size of the human-compression paper, stage by stage.

13 images × 2 methods × 100 ratings (Bhown et al. 2019, arXiv 1810.11137, Table 1): published to
a server of its own, done by 100 simulated raters whose true qualities are the paper's means, one
trial a HIT as there, collected, analyzed. Prints the seconds of each stage.

    python benchmarks/human_compression_size.py
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from PIL import Image, ImageFilter

# image: mean rating of the human reconstruction, of WebP
MEANS = {
    "arch": (4.04, 5.10), "balloon": (6.22, 5.45), "beachbridge": (4.34, 3.92),
    "eiffeltower": (5.98, 5.77), "face": (2.95, 5.47), "fire": (6.74, 5.09),
    "giraffe": (6.28, 4.48), "guitarman": (4.88, 4.07), "intersection": (6.80, 4.15),
    "rockwall": (4.41, 4.85), "sunsetlake": (5.08, 4.82), "train": (6.85, 3.62),
    "wolfsketch": (8.25, 3.46),
}  # fmt: skip


def write_images(folder: Path) -> None:
    """Stand-ins for the paper's images, which are not ours to ship: 640×480 textures."""
    originals = folder / "originals"
    human, webp = folder / "reconstructions" / "human", folder / "reconstructions" / "webp"
    for place in (originals, human, webp):
        place.mkdir(parents=True)
    lines = ["image,method,quality"]
    for seed, (name, (mean_human, mean_webp)) in enumerate(MEANS.items()):
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        image = coarse.resize((640, 480), Image.Resampling.BICUBIC)
        image.save(originals / f"{name}.png")
        image.filter(ImageFilter.GaussianBlur(3)).save(human / f"{name}.png")
        image.save(webp / f"{name}.webp", quality=0)
        lines += [f"{name},human,{mean_human}", f"{name},webp,{mean_webp}"]
    (folder / "truth.csv").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Run the study in a temporary folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "MTURK_EVAL_ENDPOINT": url}
    command = [sys.executable, "-m", "mturk_eval"]
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        server = subprocess.Popen([*command, "serve", "--port", str(port)], cwd=folder)
        try:
            for _ in range(200):
                try:
                    httpx.get(url)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            total = 0.0
            for stage in (
                "generate satisfaction --originals originals --reconstructions reconstructions "
                "--out batch --assignments 100 --trials-per-hit 1",
                "publish batch --yes",
                "simulate batch --raters 100 --truth truth.csv",
                "collect",
                "analyze --model mos",
                "analyze --model mixed",
                "report --out report.html",
            ):
                started = time.perf_counter()
                done = subprocess.run(
                    [*command, *stage.split()], cwd=folder, env=environment, check=True,
                    capture_output=True, text=True,
                )  # fmt: skip
                seconds = time.perf_counter() - started
                total += seconds
                print(f"{seconds:7.1f} s  mturk-eval {stage[:60]}")
                if stage == "analyze --model mixed":
                    print(done.stdout)
            print(f"{total:7.1f} s  in all")
        finally:
            server.terminate()
            server.wait()


main()
