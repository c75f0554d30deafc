"""How the documentation is built: ``make docs``, with warnings as errors."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import unmix4d
from unmix4d.config import Settings


def settings_table() -> str:
    """Give every setting as a table: option, name in Python and YAML, values, default, what it does."""
    lines = ["| option | in Python and `run.yaml` | default | what it does |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        extra: Any = field.json_schema_extra
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        form = str(extra["form"]).replace("|", "\\|")
        shown = "–" if default is None else f"`{default}`"
        lines.append(f"| `--{name.replace('_', '-')} {form}` | `{name}` | {shown} | {field.description} |")
    return "\n".join(lines)


def write_formula(translator: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula as MathML, which browsers draw without a script from elsewhere."""
    block = isinstance(node, nodes.math_block)
    translator.body.append(convert(node.astext(), display="block" if block else "inline"))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Have Sphinx write formulas as MathML."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))


project = "unmix4d"
copyright = "the unmix4d authors"  # noqa: A001 - the name that Sphinx reads
release = version = unmix4d.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["examples/**", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "substitution"]
myst_heading_anchors = 3
myst_substitutions = {"settings_table": settings_table()}

# Pages with code are run whenever the documentation is built: what they show is what this version gives.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True

autodoc_typehints = "none"  # the docstrings have the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
copybutton_prompt_text = "$ "

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = f"unmix4d {release}"
html_show_sourcelink = False
html_sidebars = {"**": ["globaltoc.html"]}
html_theme_options = {
    "navbar_center": [],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
