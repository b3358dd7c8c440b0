"""Compress a picture as far as a classifier still names it as before.

After *Silly Image Compression Idea* (2022): shrink a picture, or code it again and again, until the
classifier's answer changes, and keep the last one before. The classifier is given by the user.
"""

from __future__ import annotations

from mturk_eval.compressors.classifier_preserving.candidates import Candidate, Coding
from mturk_eval.compressors.classifier_preserving.classes import read_labels, read_superclasses
from mturk_eval.compressors.classifier_preserving.classifiers import Classifier, load_classifier
from mturk_eval.compressors.classifier_preserving.errors import (
    ClassifierError,
    ClassListError,
    RuleError,
)
from mturk_eval.compressors.classifier_preserving.files import (
    Job,
    Made,
    Outcome,
    Source,
    preserve_files,
)
from mturk_eval.compressors.classifier_preserving.onnx_classifier import OnnxClassifier
from mturk_eval.compressors.classifier_preserving.preprocessing import Preprocessing
from mturk_eval.compressors.classifier_preserving.preserving import (
    Iteration,
    Preserved,
    preserve,
    trace_csv,
)
from mturk_eval.compressors.classifier_preserving.rules import (
    ProbabilityAtLeast,
    Rule,
    SameSuperclass,
    TopK,
)
from mturk_eval.compressors.classifier_preserving.searches import (
    Bisection,
    Ending,
    Exhaustive,
    Ladder,
    Qualities,
    RandomQuality,
    Search,
    Shrink,
    Sizes,
    Step,
    Steps,
)

__all__ = [
    "Bisection",
    "Candidate",
    "ClassListError",
    "Classifier",
    "ClassifierError",
    "Coding",
    "Ending",
    "Exhaustive",
    "Iteration",
    "Job",
    "Ladder",
    "Made",
    "OnnxClassifier",
    "Outcome",
    "Preprocessing",
    "Preserved",
    "ProbabilityAtLeast",
    "Qualities",
    "RandomQuality",
    "Rule",
    "RuleError",
    "SameSuperclass",
    "Search",
    "Shrink",
    "Sizes",
    "Source",
    "Step",
    "Steps",
    "TopK",
    "load_classifier",
    "preserve",
    "preserve_files",
    "read_labels",
    "read_superclasses",
    "trace_csv",
]
