"""Where page templates are found, and what is said when one does not work."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

import jinja2

from mturk_eval.errors import TemplateError

FOLDER: Final = "hit_templates"
_PACKAGE: Final = Path(__file__).parents[1]


def shipped_templates() -> Path:
    """The folder of the templates that come with the package.

    Raises
    ------
    TemplateError
        If it is not where the package was installed.
    """
    # In a wheel inside the package, in a checkout beside it.
    for root in (_PACKAGE, _PACKAGE.parent):
        if (root / FOLDER).is_dir():
            return root / FOLDER
    raise TemplateError(
        f"{_PACKAGE / FOLDER} is missing: the installation is incomplete. Reinstall mturk-eval."
    )


def load_templates(study_folder: Path | None = None) -> jinja2.Environment:
    """Find the page templates: a study's own first, then those shipped with the package.

    A study's template may extend or include any shipped one by its plain name, and one of its own
    name as ``shipped/<name>``.

    Parameters
    ----------
    study_folder : Path, optional
        The folder whose ``hit_templates/`` is searched first; default the working directory.

    Raises
    ------
    TemplateError
        If the shipped templates are not where the package was installed.
    """
    shipped = shipped_templates()
    study = (study_folder or Path.cwd()) / FOLDER
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.FileSystemLoader([study, shipped]),
                jinja2.PrefixLoader({"shipped": jinja2.FileSystemLoader(shipped)}),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(templates: jinja2.Environment, name: str, **context: object) -> str:
    """Render a template by name.

    Raises
    ------
    TemplateError
        Naming file and line, if the template is missing, malformed, or fails.
    """
    try:
        return templates.get_template(name).render(context)
    except jinja2.TemplateNotFound as error:
        raise TemplateError(
            f"The template {error.name} is neither in the study's {FOLDER}/ nor a shipped one."
        ) from error
    except jinja2.TemplateSyntaxError as error:
        place = f"{error.filename or error.name or name}, line {error.lineno}"
        raise TemplateError(f"{place}: {error.message}") from error
    # What an expression can fail with; a file in another encoding is a ValueError.
    except (
        jinja2.TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise TemplateError(f"{_place(error, name)}: {error}") from error


def _place(error: Exception, name: str) -> str:
    """The innermost template line of a failure: Jinja puts template files into the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.endswith(".py"):
            return f"{frame.filename}, line {frame.lineno}"
    return name
