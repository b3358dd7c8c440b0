"""Options that the commands of `mturk-eval metric` share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class BackboneName(StrEnum):
    """The backbones there are."""

    vgg16_bn = "vgg16_bn"
    vgg16 = "vgg16"
    alexnet = "alexnet"
    squeezenet1_1 = "squeezenet1_1"


class RecipeName(StrEnum):
    """How weights are found."""

    convex = "convex"
    lpips = "lpips"


class ColoursName(StrEnum):
    """What MS-SSIM is computed of."""

    rgb = "RGB"
    luma = "luma"


class FormatName(StrEnum):
    """What a metric can be exported to."""

    lpips_pth = "lpips-pth"
    onnx = "onnx"


Votes = Annotated[
    Path | None,
    typer.Option(
        "--votes",
        metavar="CSV",
        help="Votes, one a row: rater, image, bpp, method_left, method_right, choice. Default: "
        "the ledger.",
    ),
]
Originals = Annotated[
    Path | None, typer.Option("--originals", help="Folder of original images, IMAGE.ext.")
]
Reconstructions = Annotated[
    Path | None,
    typer.Option(
        "--reconstructions",
        help="Folder of METHOD/IMAGE.ext or METHOD/BPP/IMAGE.ext, or a stimuli.csv.",
    ),
]
BatchFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--batch-folder",
        metavar="DIR",
        help="Batch folder of `generate` with the pictures, in place of the two above; may be "
        "given again.",
    ),
]
Bapps = Annotated[
    Path | None,
    typer.Option(
        "--bapps", metavar="DIR", help="Folders ref, p0, p1, judge: votes and pictures in one."
    ),
]
BappsVotes = Annotated[
    int | None,
    typer.Option(
        "--bapps-votes",
        min=1,
        help="Votes of each judgement; default: 2 below a folder train, 5 below val.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=COLUMN",
        help="The file's COLUMN is our NAME, e.g. rater=worker; may be given again.",
    ),
]
DropMissing = Annotated[
    bool, typer.Option("--drop-missing", help="Leave out rows without a usable answer.")
]
ExcludedRaters = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-rater",
        metavar="RATER",
        help="Leave out a rater's votes, e.g. by `analyze --model rater-reliability`; may be "
        "given again.",
    ),
]
ExcludeRejected = Annotated[
    bool,
    typer.Option(
        "--exclude-rejected", help="Leave out the votes of assignments that were rejected."
    ),
]
MinimumVotes = Annotated[
    int, typer.Option("--minimum-votes", min=1, help="Leave out triplets with fewer votes.")
]
Backbone = Annotated[
    BackboneName, typer.Option("--backbone", help="Network under the metric; the paper's is first.")
]
BackboneWeights = Annotated[
    Path | None,
    typer.Option(
        "--backbone-weights",
        metavar="FILE",
        help="torchvision's file of the backbone, or a folder of them; default: "
        "MTURK_EVAL_BACKBONE_WEIGHTS, then torch's downloads.",
    ),
]
BackboneDigest = Annotated[
    str | None,
    typer.Option(
        "--backbone-digest", metavar="HEX", help="First digits of the SHA-256 the file must have."
    ),
]
RandomBackbone = Annotated[
    int | None,
    typer.Option(
        "--random-backbone",
        metavar="SEED",
        min=0,
        help="Draw the backbone's numbers instead: to try the steps, not for results.",
    ),
]
Download = Annotated[
    bool,
    typer.Option(
        "--download-backbone", help="Fetch torchvision's file where there is none (up to 530 MB)."
    ),
]
Features = Annotated[
    Path,
    typer.Option(
        "--features",
        metavar="DIR",
        help="Where feature vectors are kept, so that each is computed once.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
Workers = Annotated[
    int, typer.Option("--workers", min=1, help="Processes that compute feature vectors.")
]
Dask = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDRESS", help="A Dask scheduler for them, or local."),
]
Colours = Annotated[ColoursName, typer.Option("--colours", help="What MS-SSIM is computed of.")]
Classical = Annotated[
    bool, typer.Option("--classical/--no-classical", help="Compare with PSNR and MS-SSIM.")
]
OwnMetrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        metavar="CSV",
        help="Other metrics to compare with: columns image, method (bpp), and one per metric.",
    ),
]
Directions = Annotated[
    list[str] | None,
    typer.Option(
        "--direction",
        metavar="METRIC=higher|lower",
        help="Which values of a metric of --metrics are better; once for each to compare.",
    ),
]
Figures = Annotated[
    Path | None,
    typer.Option(
        "--figures",
        metavar="DIR",
        help="Also draw scores, scores by bit-rate and weights into this folder: SVG, PNG, CSV.",
    ),
]
Resamples = Annotated[
    int, typer.Option("--resamples", min=2, help="How many resamples of originals are drawn.")
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, help="Of everything that is drawn: same seed, same numbers."),
]
