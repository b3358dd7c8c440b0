"""ONNX files and Python functions as classifiers, and the lists of their classes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from mturk_eval.compressors.classifier_preserving import (
    ClassifierError,
    ClassListError,
    OnnxClassifier,
    load_classifier,
    read_labels,
    read_superclasses,
)
from mturk_eval.compressors.classifier_preserving.classifiers import classify
from mturk_eval.compressors.classifier_preserving.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    read_preprocessing,
)
from mturk_eval.errors import MissingExtraError
from tests.compressors.classifier_preserving.networks import (
    write_convolutional,
    write_flat_input,
    write_map_output,
    write_mean_colour,
    write_nan,
)
from tests.samples import picture

REDDISH = Image.new("RGB", (40, 30), (200, 100, 50))
RAW = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def beside(model: Path, fields: object) -> None:
    model.with_suffix(".json").write_text(json.dumps(fields))


# The network's answer


def test_logits_become_probabilities(tmp_path: Path) -> None:
    model = write_mean_colour(tmp_path / "m.onnx")
    beside(model, RAW)
    weights = np.exp(20 * np.array([200, 100, 50]) / 255)
    expected = weights / weights.sum()
    np.testing.assert_allclose(OnnxClassifier.load(model)(REDDISH), expected, rtol=1e-4)


def test_probabilities_are_left_as_they_are(tmp_path: Path) -> None:
    """A network that ends in a softmax and one that does not answer alike."""
    plain, soft = (
        write_mean_colour(tmp_path / f"{softmax}.onnx", softmax=softmax)
        for softmax in (False, True)
    )
    for model in (plain, soft):
        beside(model, RAW)
    np.testing.assert_allclose(
        OnnxClassifier.load(plain)(REDDISH), OnnxClassifier.load(soft)(REDDISH), rtol=1e-3
    )


def test_the_output_can_be_said_to_be_logits(tmp_path: Path) -> None:
    model = write_mean_colour(tmp_path / "m.onnx", softmax=True)
    beside(model, RAW | {"output": "logits"})
    assert OnnxClassifier.load(model)(REDDISH).max() < 0.6


def test_both_layouts_and_orders_of_colour_are_understood(tmp_path: Path) -> None:
    first = write_mean_colour(tmp_path / "first.onnx")
    last = write_mean_colour(tmp_path / "last.onnx", layout="channels last")
    swapped = write_mean_colour(tmp_path / "swapped.onnx")
    beside(first, RAW)
    beside(last, RAW)
    beside(swapped, RAW | {"colours": "BGR"})
    answer = OnnxClassifier.load(first)(REDDISH)
    np.testing.assert_allclose(OnnxClassifier.load(last)(REDDISH), answer, rtol=1e-3)
    np.testing.assert_allclose(OnnxClassifier.load(swapped)(REDDISH), answer[::-1], rtol=1e-3)


# How pictures are prepared


def test_the_defaults_are_imagenets(tmp_path: Path) -> None:
    classifier = OnnxClassifier.load(write_mean_colour(tmp_path / "m.onnx", side="side"))
    prepared = classifier.preprocessing
    assert (prepared.crop, prepared.resize) == ((224, 224), 256)
    assert (prepared.mean, prepared.std) == (IMAGENET_MEAN, IMAGENET_STD)
    values = (np.array([200, 100, 50]) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(
        prepared.normalised(Image.new("RGB", (2, 2), (200, 100, 50)))[0, 0], values, rtol=1e-5
    )


def test_the_centre_is_cropped_from_the_resized_picture() -> None:
    image = picture(1, (300, 150))
    prepared = Preprocessing(crop=(20, 20), resize=50).for_input(20, 20)
    by_hand = image.resize((100, 50), Image.Resampling.BILINEAR).crop((40, 15, 60, 35))
    assert prepared.framed(image).tobytes() == by_hand.tobytes()


def test_a_picture_can_be_stretched_or_taken_as_it_is(tmp_path: Path) -> None:
    image = picture(1, (30, 15))
    assert Preprocessing(crop=(8, 9), resize="stretch").framed(image).size == (9, 8)
    assert Preprocessing(resize="none").framed(image).size == (30, 15)
    model = write_mean_colour(tmp_path / "any.onnx", side="side")
    beside(model, RAW | {"resize": "none"})
    assert OnnxClassifier.load(model)(image).sum() == pytest.approx(1)


def test_a_toml_beside_the_model_is_read_and_another_can_be_given(tmp_path: Path) -> None:
    model = write_mean_colour(tmp_path / "m.onnx")
    model.with_suffix(".toml").write_text("mean = [0.5, 0.5, 0.5]\nresize = 20\n")
    assert OnnxClassifier.load(model).preprocessing.resize == 20
    (tmp_path / "other.toml").write_text("resize = 30\n")
    assert OnnxClassifier.load(model, tmp_path / "other.toml").preprocessing.resize == 30


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"maen": [0, 0, 0]}, "maen: Extra inputs"),
        ({"std": [0, 1, 1]}, r"std\.0: .*greater than 0"),
        ({"mean": [0, 1]}, r"mean\.2: Field required"),
        ({"crop": [64, 64], "resize": 32}, r"resize 32 is smaller than the crop"),
        ([1], "the file: "),
    ],
)
def test_a_wrong_field_is_named(fields: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(ClassifierError, match=message):
        read_preprocessing(path)


@pytest.mark.parametrize("name", ["p.toml", "p.json", "none.toml"])
def test_a_file_that_is_no_preprocessing_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("mean = [")
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(ClassifierError, match=name):
        read_preprocessing(tmp_path / name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crop": [8, 8]}, r"crop = \[8, 8\], but the network takes 16×16"),
        ({"resize": "none"}, 'resize = "none", but the network takes 16×16'),
        ({"output_name": "classes"}, r"no output 'classes', but logits"),
    ],
)
def test_what_does_not_fit_the_network_is_named(
    fields: object, message: str, tmp_path: Path
) -> None:
    model = write_mean_colour(tmp_path / "m.onnx")
    beside(model, fields)
    with pytest.raises(ClassifierError, match=message):
        OnnxClassifier.load(model)


def test_a_picture_too_elongated_to_resize_is_refused() -> None:
    with pytest.raises(ClassifierError, match="too elongated"):
        Preprocessing().for_input(224, 224).framed(Image.new("RGB", (4000, 1)))


# Files that are no classifier


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ClassifierError, match=r"broken\.onnx: no ONNX file that can be run"):
        OnnxClassifier.load(tmp_path / "broken.onnx")
    with pytest.raises(ClassifierError, match=r"none\.onnx: the file does not exist"):
        OnnxClassifier.load(tmp_path / "none.onnx")


def test_a_network_that_is_no_classifier_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match=r"takes the shape \(1, 192\)"):
        OnnxClassifier.load(write_flat_input(tmp_path / "flat.onnx"))
    with pytest.raises(ClassifierError, match=r"shape \(1, 3, 8, 8\)"):
        OnnxClassifier.load(write_map_output(tmp_path / "map.onnx"))
    with pytest.raises(ClassifierError, match="NaN"):
        OnnxClassifier.load(write_nan(tmp_path / "nan.onnx"))


def test_without_onnxruntime_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mturk-eval\[classifier\]'"):
        OnnxClassifier.load(write_mean_colour(tmp_path / "m.onnx"))


# Python functions


def test_a_function_of_the_users_is_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "brightness_of.py").write_text(
        "import numpy as np\n"
        "def bright(image):\n"
        "    p = np.asarray(image).mean() / 255\n"
        "    return np.array([p, 1 - p])\n"
    )
    classifier = load_classifier("brightness_of:bright", None, tmp_path)
    np.testing.assert_allclose(classifier(Image.new("RGB", (4, 4), (51, 51, 51))), [0.2, 0.8])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "no_such_module cannot be imported"),
        ("a_broken_module:f", r"cannot be imported .*SyntaxError"),
        ("a_good_module:g", "a_good_module has no function 'g'"),
        ("a_good_module", r"give FILE\.onnx or MODULE:FUNCTION"),
    ],
)
def test_a_function_that_is_not_there_is_named(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a_broken_module.py").write_text("def f(:\n")
    (tmp_path / "a_good_module.py").write_text("f = len\n")
    with pytest.raises(ClassifierError, match=message):
        load_classifier(name, None, tmp_path)


def test_a_function_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("a_failing_module")
    module.f = lambda image: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_failing_module", module)
    classifier = load_classifier("a_failing_module:f", None, tmp_path)
    with pytest.raises(ClassifierError, match=r"a_failing_module:f failed .* ZeroDivisionError"):
        classifier(REDDISH)


# Labels and superclasses


def test_labels_come_as_lines_or_json(tmp_path: Path) -> None:
    files = {
        "lines.txt": "cat\ndog\n\n",
        "list.json": '["cat", "dog"]',
        "object.json": '{"1": "dog", "0": "cat"}',
        "keras.json": '{"0": ["n02121808", "cat"], "1": ["n02084071", "dog"]}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        assert read_labels(tmp_path / name, 2) == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.txt", "cat\ndog\n", "has 2 labels, but the classifier has 3 classes"),
        ("l.txt", "cat\n\ndog\n", "label 2: it is empty"),
        ("l.json", '["cat", 2, "dog"]', "label 2: 2 is no label"),
        ("l.json", '{"0": "cat", "2": "dog"}', "class 1 of 2 is missing"),
        ("l.json", '"cat"', "neither a list of labels nor an object"),
        ("l.json", "[", "not readable as JSON"),
    ],
)
def test_wrong_labels_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ClassListError, match=message):
        read_labels(tmp_path / name, 3)


def test_classes_not_listed_stand_for_themselves(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("class,superclass\ntiger cat,cat\n1,cat\n")
    labels = ("tiger cat", "Egyptian cat", "teapot")
    assert read_superclasses(path, labels) == ("cat", "cat", "teapot")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,group\na,b\n", "column superclass is missing"),
        ("class,superclass\nhorse,animal\n", "row 2, column class: .* no class 'horse'"),
        ("class,superclass\ncat,\n", "row 2, column superclass: cat has none"),
        ("class,superclass\ncat,a\n0,b\n", "row 3, column class: 0 has a superclass already"),
    ],
)
def test_wrong_superclasses_are_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(ClassListError, match=message):
        read_superclasses(path, ("cat", "dog"))


def test_a_convolutional_network_answers_the_same_twice(tmp_path: Path) -> None:
    classifier = OnnxClassifier.load(write_convolutional(tmp_path / "c.onnx"))
    answer = classifier(picture(1))
    assert answer.shape == (5,)
    np.testing.assert_array_equal(answer, classifier(picture(1)))


def test_a_function_of_the_users_may_fail_in_any_way_and_harms_no_picture(tmp_path: Path) -> None:
    (tmp_path / "odd_functions.py").write_text(
        "import sys\n"
        "class Tensor:\n"
        "    def __array__(self, *args, **kwargs):\n"
        "        raise RuntimeError('requires grad')\n"
        "def with_gradient(image): return Tensor()\n"
        "def leaves(image): sys.exit(3)\n"
        "def draws(image):\n"
        "    image.paste((0, 0, 0), (0, 0, 9, 9))\n"
        "    return [0.5, 0.5]\n"
    )
    for name, problem in (("with_gradient", "requires grad"), ("leaves", "SystemExit: 3")):
        with pytest.raises(ClassifierError, match=problem):
            classify(load_classifier(f"odd_functions:{name}", None, tmp_path), REDDISH)
    before = REDDISH.tobytes()
    classify(load_classifier("odd_functions:draws", None, tmp_path), REDDISH)
    assert REDDISH.tobytes() == before


@pytest.mark.parametrize(
    "row", ['0,"' + "x" * 200_000 + '"', "9" * 5_000 + ",animal"], ids=["cell", "number"]
)
def test_huge_cells_of_superclasses_are_refused(tmp_path: Path, row: str) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(f"class,superclass\n{row}\n")
    with pytest.raises(ClassListError, match=r"groups\.csv"):
        read_superclasses(table, ("cat", "dog"))
