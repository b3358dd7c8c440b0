"""``mturk-eval power``: how many images and raters a study needs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, stopping
from mturk_eval.cli.options import Json

if TYPE_CHECKING:
    from mturk_eval.stats.power.results import PowerResult

_WIDTH = 96


def power(
    images: Annotated[
        list[int], typer.Option("--images", help="How many images; give it again to compare.")
    ],
    ratings_per_cell: Annotated[
        list[int],
        typer.Option(
            "--ratings-per-cell", help="Ratings of each image and method; may be given again."
        ),
    ],
    effect: Annotated[
        float, typer.Option("--effect", help="The difference to find, in rating points.")
    ],
    slope_sd: Annotated[
        float, typer.Option("--slope-sd", help="How much that differs from image to image (sd).")
    ],
    methods: Annotated[int, typer.Option("--methods", help="How many methods.")] = 2,
    raters: Annotated[
        int | None,
        typer.Option(
            "--raters",
            help="The pool, of whom each cell gets a random part; default: everyone rates all.",
        ),
    ] = None,
    image_sd: Annotated[float, typer.Option("--image-sd", help="Between images.")] = 1.0,
    slope_correlation: Annotated[
        float, typer.Option("--slope-correlation", help="Of images' means and slopes.")
    ] = 0.0,
    rater_sd: Annotated[float, typer.Option("--rater-sd", help="Between raters.")] = 1.0,
    rater_slope_sd: Annotated[
        float, typer.Option("--rater-slope-sd", help="How much raters differ in the effect.")
    ] = 0.0,
    residual_sd: Annotated[float, typer.Option("--residual-sd", help="Of single ratings.")] = 2.0,
    mean: Annotated[float, typer.Option("--mean", help="Mean rating of the first method.")] = 5.5,
    scale: Annotated[
        tuple[int, int] | None,
        typer.Option(
            "--scale",
            metavar="LOW HIGH",
            help="Round and clip ratings, e.g. 1 10; default: continuous, as a model has them.",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Level of the test.")] = 0.05,
    target_power: Annotated[
        float, typer.Option("--target-power", help="For the number of images that is advised.")
    ] = 0.8,
    studies: Annotated[
        int, typer.Option("--studies", min=1, help="How many studies to simulate per design.")
    ] = 1_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same numbers.")] = 0,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; default 1.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="local|ADDRESS", help="A dask cluster, e.g. tcp://host:8786."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the power of a planned study, by formula and by simulated studies.

    Example, the study of human compression and one of 32 images: `mturk-eval power --images 13
    --images 32 --ratings-per-cell 100 --effect 0.98 --slope-sd 1.88 --residual-sd 2.21`. The
    standard deviations are those that `mturk-eval analyze --model mixed` prints for earlier
    ratings.
    """
    if workers is not None and dask is not None:
        raise typer.BadParameter("give --workers or --dask, not both.")
    from mturk_eval.stats.power.design import StudyDesign, Truth
    from mturk_eval.stats.power.results import power_document
    from mturk_eval.stats.power.simulation import power as simulate_power

    truth = Truth(
        effect=effect,
        slope_sd=slope_sd,
        image_sd=image_sd,
        slope_correlation=slope_correlation,
        rater_sd=rater_sd,
        rater_slope_sd=rater_slope_sd,
        residual_sd=residual_sd,
        mean=mean,
    )
    designs = [
        StudyDesign(
            images=n,
            methods=methods,
            ratings_per_cell=ratings,
            raters=ratings if raters is None else raters,
            scale=scale,
        )
        for n in images
        for ratings in ratings_per_cell
    ]
    results: list[PowerResult] = []

    with (
        stopping("Nothing was kept; with fewer --studies or more --workers it ends sooner."),
        progress_bar("Simulated studies") as progress,
    ):

        def report(done: int, _of_this_design: int) -> None:
            progress(len(results) * studies + done, len(designs) * studies)

        for design in designs:
            results.append(
                simulate_power(
                    design,
                    truth,
                    studies=studies,
                    seed=seed,
                    alpha=alpha,
                    target_power=target_power,
                    workers=workers or 1,
                    dask=dask,
                    progress=report,
                )
            )
    if json:
        print_json(power_document(results))
        return
    typer.echo(_text(results))


def _text(results: Sequence[PowerResult]) -> str:
    """The table of designs, and what it means for the next study."""
    from mturk_eval.report.tables import text_table

    first = results[0]
    header = (
        "images", "ratings a cell", "raters", "ratings", "std. error", "power: formula",
        "simulated", "from", "to",
    )  # fmt: skip
    rows = [
        (
            result.design.images,
            result.design.ratings_per_cell,
            result.design.raters,
            result.design.n_observations,
            result.planned.std_error,
            result.planned.power,
            *_simulated(result),
        )
        for result in results
    ]
    warnings = dict.fromkeys(warning for result in results for warning in result.warnings)
    last_of_each = {result.design.ratings_per_cell: result for result in results}
    paragraphs = (
        *dict.fromkeys(result.formula for result in results),
        f"Two-sided t test (Satterthwaite) of the effect at {first.alpha:g}; {first.studies:,} "
        f"simulated studies a design, seed {first.seed}; from, to: their 95% Monte-Carlo interval.",
        "",
        text_table(header, rows),
        "",
        *map(_advice, last_of_each.values()),
        *(f"Warning: {warning}" for warning in warnings),
    )
    return "\n".join(
        text if "\n" in text else fill(text, _WIDTH, break_on_hyphens=False) for text in paragraphs
    )


def _simulated(result: PowerResult) -> tuple[float | None, float | None, float | None]:
    if result.simulated is None:
        return None, None, None
    return result.simulated.power, result.simulated.ci_low, result.simulated.ci_high


def _advice(result: PowerResult) -> str:
    """What limits this design, and how many images the formula asks for."""
    ratings, share = result.design.ratings_per_cell, result.planned.image_share
    needed = (
        "no number of images reaches"
        if result.images_needed is None
        else f"{count(result.images_needed, 'image')} are needed for"
    )
    return (
        f"At {count(ratings, 'rating')} a cell {needed} a power of {result.target_power:g} "
        f"(formula). With {result.design.images} images, {share:.0%} of the variance of the effect "
        "is due to the choice of images."
    )
