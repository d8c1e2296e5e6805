"""Text from Jinja templates that lie beside the code that fills them.

What is put into a template called ``.html`` is escaped, unless it is ``markupsafe.Markup``. A name in a
template that nothing was given for is an error.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def templates_of(package: str) -> Environment:
    """The templates in a package's folder."""
    return Environment(
        loader=PackageLoader(package, ""),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
