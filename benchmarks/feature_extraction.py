"""How much feature extraction costs over plain inference of the same backbone, and its memory.

Plain inference runs the same batches up to the backbone's last tap, through the modules that
torchvision's definition is made of, channels last, and keeps nothing; extraction compares every tap
of each reconstruction with its original. The two take turns in one process, with the same treatment
of freed memory; the ratio is of their medians. Weights are random: their values cost nothing.

    python benchmarks/feature_extraction.py
    python benchmarks/feature_extraction.py --backbones vgg16_bn --sizes 256x256 512x768 --threads 2
    python benchmarks/feature_extraction.py --device cuda --pictures 129 --batch 64
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from mturk_eval.metric.architectures import (
    ARCHITECTURES,
    BatchNorm,
    Convolution,
    Fire,
    Layer,
    MaxPool,
    Relu,
)
from mturk_eval.metric.backbones import Backbone, random_backbone
from mturk_eval.metric.feature_store import FeatureStore
from mturk_eval.metric.features import extract_features
from mturk_eval.metric.memory import freed_memory_kept
from mturk_eval.metric.onnx_export import FEATURES, ORIGINAL, RECONSTRUCTIONS, onnx_model
from mturk_eval.metric.pictures import PicturePair, read_picture
from mturk_eval.metric.trunk import PairPass, Trunk, exact_float32
from mturk_eval.metric.weights_file import Provenance, metric_weights

Pixels = NDArray[np.uint8]


def pictures_of(height: int, width: int, n: int) -> Pixels:
    """One original and n - 1 noisy versions of it."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    original = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-12, 13, (n, height, width, 3), dtype=np.int16)
    noise[0] = 0
    return np.clip(original + noise, 0, 255).astype(np.uint8)


def torch_contenders(backbone: Backbone, pictures: Pixels, device: str, batch: int) -> Contenders:
    """Both ways through torch, from decoded pixels to numbers."""
    trunk = Trunk(backbone).to(device)
    modules = usual_modules(backbone).to(device)
    starts = range(0, len(pictures), batch)

    def plain() -> None:
        with torch.inference_mode(), exact_float32():
            for start in starts:
                part = torch.from_numpy(pictures[start : start + batch]).to(device)
                x = part.permute(0, 3, 1, 2).float().div_(255.0)
                x = ((x - trunk.mean) / trunk.std).contiguous(memory_format=torch.channels_last)
                modules(x).amax().item()  # waits for the device

    def extraction() -> None:
        passing = PairPass(trunk)
        for start in starts:
            part = pictures[start : start + batch]
            passing.run(part, [start + row == 0 for row in range(len(part))])

    return plain, extraction


class UsualFire(nn.Module):
    """SqueezeNet's module as torchvision defines it: each convolution rectified, then joined."""

    def __init__(self, layer: Fire) -> None:
        super().__init__()
        self.squeeze, self.expand1x1, self.expand3x3 = map(usual_module, layer.parts.values())

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, then both expansions, channel after channel."""
        x = self.squeeze(x).relu_()
        return torch.cat([self.expand1x1(x).relu_(), self.expand3x3(x).relu_()], dim=1)


def usual_modules(backbone: Backbone) -> nn.Sequential:
    """The backbone up to its last tap as torchvision builds it."""
    modules = nn.Sequential(*map(usual_module, backbone.architecture.layers)).eval()
    state = {
        key.removeprefix("features."): torch.from_numpy(value.copy())
        for key, value in backbone.parameters.items()
    }
    missing, unknown = modules.load_state_dict(state, strict=False)
    if unknown or any(not key.endswith("num_batches_tracked") for key in missing):
        raise SystemExit(f"not the modules of {backbone.name}: {missing}, {unknown}")
    return modules.to(memory_format=torch.channels_last).requires_grad_(False)


def usual_module(layer: Layer) -> nn.Module:
    """One of torchvision's modules."""
    match layer:
        case Convolution():
            return nn.Conv2d(
                layer.channels_in,
                layer.channels_out,
                layer.kernel,
                stride=layer.stride,
                padding=layer.padding,
            )
        case BatchNorm():
            return nn.BatchNorm2d(layer.channels)
        case Relu():
            return nn.ReLU(inplace=True)
        case MaxPool():
            return nn.MaxPool2d(layer.kernel, layer.stride, ceil_mode=layer.ceil_mode)
        case Fire():
            return UsualFire(layer)


def onnx_contenders(backbone: Backbone, pictures: Pixels, threads: int, batch: int) -> Contenders:
    """Both ways through ONNX Runtime; the original of each batch passes with it."""
    n_channels = backbone.architecture.layer_slices.total
    metric = metric_weights(np.ones(n_channels), backbone, Provenance(recipe="none"))
    model = onnx_model(metric, backbone)
    last_tap = [node for node in model.graph.node if node.op_type == "Div"][-1].input[0]
    whole = _session(model.SerializeToString(), threads)
    # The same file with one output: the runtime leaves out what that does not need.
    del model.graph.output[:]
    model.graph.output.add().name = last_tap
    trunk = _session(model.SerializeToString(), threads)

    def feeds() -> list[dict[str, NDArray[np.float32]]]:
        nchw = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        return [
            {ORIGINAL: nchw[:1], RECONSTRUCTIONS: nchw[start : start + batch - 1]}
            for start in range(1, len(nchw), batch - 1)
        ]

    def plain() -> None:
        for feed in feeds():
            trunk.run([last_tap], feed)

    def extraction() -> None:
        for feed in feeds():
            whole.run([FEATURES], feed)

    return plain, extraction


def whole_contenders(
    backbone: Backbone, pictures: Pixels, device: str, batch: int, folder: Path
) -> Contenders:
    """As `torch_contenders`, but extraction reads PNG files and writes the store."""
    plain, _ = torch_contenders(backbone, pictures, device, batch)
    trunk = Trunk(backbone).to(device)
    paths = [folder / f"{row}.png" for row in range(len(pictures))]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path, compress_level=1)
    original, *others = (read_picture(path) for path in paths)
    pairs = [PicturePair(original=original, reconstruction=other) for other in others]

    def extraction() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as store:
            extract_features(
                pairs,
                trunk,
                FeatureStore(Path(store), backbone),
                pictures_per_batch=batch,
            )

    return plain, extraction


Contenders = tuple[Callable[[], None], Callable[[], None]]


def compare(contenders: Contenders, repeats: int) -> tuple[float, float]:
    """Median seconds of each, taking turns after one unmeasured turn."""
    seconds: list[list[float]] = [[], []]
    for turn in range(repeats + 1):
        for contender, kept in zip(contenders, seconds, strict=True):
            with freed_memory_kept():
                contender()  # what the other left in the caches is not this one's cost
                start = time.perf_counter()
                contender()
                if turn:
                    kept.append(time.perf_counter() - start)
    plain, extraction = (float(np.median(kept)) for kept in seconds)
    return plain, extraction


def peak_memory(name: str, way: str, height: int, width: int, batch: int) -> str:
    """Largest resident memory of a process of its own, before and after one batch."""
    command = [sys.executable, __file__, "--peak", way, "--backbones", name]
    command += ["--sizes", f"{height}x{width}", "--batch", str(batch), "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def print_peak(name: str, way: str, height: int, width: int, batch: int) -> None:
    """The child of `peak_memory`."""
    torch.set_num_threads(1)
    backbone = random_backbone(name, seed=1)
    pictures = pictures_of(height, width, max(2, batch))
    if way == "onnx":
        _, run = onnx_contenders(backbone, pictures, 1, max(2, batch))
    else:
        # The other way, and its copy of the weights, is gone before this one runs.
        run = torch_contenders(backbone, pictures, "cpu", batch)[0 if way == "plain" else 1]
    before = _resident_mb("VmRSS")
    run()
    print(f"{_resident_mb('VmHWM'):.0f} MB, of which {before:.0f} MB libraries and weights")


def _resident_mb(field: str) -> float:
    """Memory of this process; the kernel's other counter would include its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise SystemExit("peak memory is read from /proc/self/status, which is not there")


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--backbones", nargs="+", default=list(ARCHITECTURES))
    parser.add_argument("--sizes", nargs="+", default=["64x64", "256x256"], help="HEIGHTxWIDTH")
    parser.add_argument("--pictures", type=int, default=9, help="one original and the rest")
    parser.add_argument("--batch", type=int, default=0, help="0: as extraction chooses")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peak", choices=["torch", "onnx", "plain"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in chosen.sizes]
    if chosen.peak:
        print_peak(chosen.backbones[0], chosen.peak, *sizes[0], chosen.batch)
        return
    torch.set_num_threads(chosen.threads)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, ", end="")
    print(f"{chosen.device}, {chosen.threads} threads, pictures per second (extraction / plain)")
    for name in chosen.backbones:
        backbone = random_backbone(name, seed=1)
        for height, width in sizes:
            pictures = pictures_of(height, width, chosen.pictures)
            batch = chosen.batch or max(1, min(len(pictures), (1 << 18) // (height * width)))
            with tempfile.TemporaryDirectory() as folder:
                ways = {
                    "torch": torch_contenders(backbone, pictures, chosen.device, batch),
                    "torch, files to store": whole_contenders(
                        backbone, pictures, chosen.device, batch, Path(folder)
                    ),
                }
                if chosen.device == "cpu":
                    at_once = max(2, batch)
                    ways["onnx"] = onnx_contenders(backbone, pictures, chosen.threads, at_once)
                for way, contenders in ways.items():
                    plain, extraction = compare(contenders, chosen.repeats)
                    n = len(pictures)
                    print(
                        f"{name:14} {height}x{width:<5} {way:22} {n / extraction:9.2f} / "
                        f"{n / plain:9.2f}   ratio {plain / extraction:.2f}",
                        flush=True,
                    )
    if chosen.device == "cpu":
        for way, batch in (("plain", 1), ("torch", 1), ("onnx", 2)):
            peak = peak_memory(chosen.backbones[0], way, 512, 768, batch)
            print(f"peak at 512x768, {chosen.backbones[0]}, {way}, batches of {batch}: {peak}")


if __name__ == "__main__":
    main()
