"""Sphinx's settings for the documentation site. Nothing on it comes from another host."""

import builtins
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parent.parent))

from docs import reference

project = "shopify-session-storage"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "shopify-session-storage"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
pygments_style = "friendly"
pygments_dark_style = "github-dark"

myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # Prisma's schemas have no lexer

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

_OWN = re.compile(r"shopify_session_storage(_\w+)?\.")
_log = logging.getLogger(__name__)


def _find_public(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Resolve a name that is public elsewhere than where it was written, such as in annotations."""
    target: str = node.get("reftarget", "")
    own = _OWN.match(target)
    if node.get("refdomain") != "py" or not (own or "." not in target):
        return None
    name = target.rpartition(".")[2]
    objects = env.domains.python_domain.objects
    found = sorted((full for full in objects if full.rpartition(".")[2] == name), key=len)
    if not found:
        # A docstring's, that is: annotations name all kinds of private types.
        if isinstance(content, nodes.literal) and not hasattr(builtins, name):
            _log.warning("no public name %r", target, location=node)
        return None
    entry = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content)


def _show_public_bases(
    app: Sphinx, name: str, value: type, options: object, bases: list[type]
) -> None:
    bases[:] = reference.public_bases(value)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-bases", _show_public_bases)
    app.connect("missing-reference", _find_public)
