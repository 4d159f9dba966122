"""HTML pages that stand alone: Jinja2 templates beside the code that fills them, one style sheet, shared macros."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).parent.parent


def render(template: str, **values: Any) -> str:
    """A whole page. template: its place in the package, such as "mix/stats.html.j2". In HTML every value is escaped."""
    return _templates().get_template(template).render(values)


def stream(template: str, **values: Any) -> Iterator[str]:
    """The page in pieces, so that what it is made of can be an iterator of any length."""
    return _templates().get_template(template).generate(values)


@cache
def _templates() -> Environment:
    # Imported here: commands import the modules of their pages, and --help draws none.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        autoescape=lambda name: name is None or ".html" in name,
        loader=FileSystemLoader(PACKAGE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["number"] = "{:,}".format
    found.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return found
