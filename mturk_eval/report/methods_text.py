"""What was done, in sentences for a paper's methods section."""

from __future__ import annotations

import platform
from importlib import metadata

import pandas as pd

from mturk_eval import __version__
from mturk_eval.report.blocks import Block, Paragraph, Section
from mturk_eval.report.text.tournament import TOURNAMENT_RULE

_LIBRARIES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib")


def methods_section(ratings: pd.DataFrame | None, votes: pd.DataFrame | None) -> Section:
    """The methods of the analyses in this report."""
    blocks: list[Block] = []
    if ratings is not None:
        blocks += [
            Paragraph(
                text=(
                    "Ratings. Means per image and method are arithmetic means of the ratings. "
                    "Their 95% intervals are percentile bootstrap intervals with 2,000 resamples "
                    "(seed 0), the raters being drawn with replacement with all their ratings. "
                    "Means per method average the images' means; where there are several images "
                    "and raters, both are drawn independently (pigeonhole bootstrap; Owen, 2007), "
                    "so that these intervals speak about other raters and other images. Standard "
                    "errors are delete-one jackknife standard errors over the same units."
                )
            ),
            Paragraph(
                text=(
                    "The linear mixed model has the method as fixed effect, correlated by-image "
                    "intercepts and slopes of the method, and rater intercepts, fitted by REML "
                    "(Bates et al., 2015). By-image slopes are what lets the result "
                    "speak about other images (Barr et al., 2013). By-rater slopes of the method "
                    "are added where at least half of the raters saw every method and they improve "
                    "the fit (p < .2; Matuschek et al., 2017); where a fit is singular, "
                    "correlations are left out, then by-rater and last by-image slopes, where "
                    "their variance is estimated as zero; the steps stand "
                    "beside the model. Tests and intervals use Satterthwaite's degrees of freedom "
                    "(Kuznetsova et al., 2017). The reference is the method that is first in the "
                    "alphabet; every pair of methods is compared by the model's contrasts, with p "
                    "values adjusted for all pairs (Holm, 1979). Paired t tests over image means "
                    "stand beside them as a check."
                )
            ),
        ]
    if votes is not None:
        blocks += [
            Paragraph(
                text=(
                    "Votes. Bradley–Terry scores are maximum likelihood estimates with a term for "
                    "the side (left) and, where answers were 'not sure', Davidson's (1970) tie "
                    "parameter; the mean score is 0. Standard errors are cluster-robust, "
                    "two-way over raters and images where there are several of both (Cameron, "
                    "Gelbach & Miller, 2011); intervals use t quantiles with the smaller number of "
                    "clusters minus one as degrees of freedom. The figures' captions say which. "
                    "Axes in JOD show the same scores with 1 JOD as the difference at which 75% "
                    "choose the better one (Perez-Ortiz & Mantiuk, 2017): a logit score divided "
                    "by ln 3."
                )
            ),
            Paragraph(
                text=(
                    f"Images won, at each target rate. {TOURNAMENT_RULE} Pairs without votes and "
                    "pairs with equally many for both are half a win each. Intervals are Wilson's "
                    "(1927) for a share of images, with a t quantile and the number of "
                    "independent images that the variance of the shares amounts to (Korn & "
                    "Graubard, 1998); images are taken as independent, and the votes at an image "
                    "as they are."
                )
            ),
        ]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    blocks += [
        Paragraph(
            text=(
                "Trials of roles other than main (practice, catch, repeat, identical) are in no "
                "model. Nobody's answers were excluded for this report beyond that."
            )
        ),
        Paragraph(
            text=f"Software: mturk-eval {__version__}, Python {platform.python_version()}, "
            f"{versions}."
        ),
    ]
    return Section(id="methods", title="Methods", blocks=tuple(blocks))
