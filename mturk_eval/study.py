"""A new study's folder: settings, page templates to change, and what to do next."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from mturk_eval.errors import InvalidInputError
from mturk_eval.hits.templates import shipped_templates

_PACKAGE: Final = Path(__file__).parent
_SETTINGS: Final = "sandbox_config.toml"

_README: Final = """\
# {name}

A human image-quality study with mturk-eval.

1. Put the originals into `originals/` and what the codecs made of them into
   `reconstructions/METHOD/` (or `reconstructions/METHOD/BPP/`), under the same file names.
2. Look through `mturk_eval.toml`: pay, number of raters, wording.
3. In another terminal, run our server: `mturk-eval serve`
4. Make the HITs, look at them, and post them:

       mturk-eval generate satisfaction --originals originals \\
           --reconstructions reconstructions --out batch
       mturk-eval preview batch
       mturk-eval cost batch
       mturk-eval publish batch

5. Give raters the link that `serve` prints. (`mturk-eval simulate batch --raters 10` tries the
   whole way with simulated raters; use another `--ledger` and `serve --database` for that.)
6. Collect and analyze:

       mturk-eval collect --watch
       mturk-eval analyze --model mixed
       mturk-eval report --out report.html

For choices between two reconstructions, say `generate 2afc` and `analyze --model bradley-terry`.
The pages are in `hit_templates/`; change them, or delete those you do not change.
"""


def start_study(folder: Path) -> list[Path]:
    """Make a study's folder and return what was written.

    Raises
    ------
    InvalidInputError
        If the folder holds a study already; nothing is written then.
    """
    settings = folder / "mturk_eval.toml"
    for path in (settings, folder / "hit_templates", folder / "README.md"):
        if path.exists():
            raise InvalidInputError(f"{path} exists already; nothing was changed.")
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"{folder} is a file; give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "originals").mkdir(exist_ok=True)
    (folder / "reconstructions").mkdir(exist_ok=True)
    # In a wheel inside the package, in a checkout beside it.
    shipped = next(
        root / _SETTINGS for root in (_PACKAGE, _PACKAGE.parent) if (root / _SETTINGS).is_file()
    )
    text = shipped.read_text(encoding="utf-8")
    settings.write_text(text.replace(" --config sandbox_config.toml", ""), encoding="utf-8")
    shutil.copytree(shipped_templates(), folder / "hit_templates")
    readme = folder / "README.md"
    readme.write_text(_README.format(name=folder.resolve().name), encoding="utf-8")
    return [settings, folder / "hit_templates", readme]
