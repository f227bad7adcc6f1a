# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The docs site, for Sphinx: the reference by antsibull-docs, and the guides in Markdown."""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = html_title = html_short_title = "edgesec.hardening"
author = "the edgesec.hardening contributors"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3
# The page of changes has no title until the first release is in changelogs/changelog.yaml.
suppress_warnings = ["toc.no_title"]

html_theme = "sphinx_ansible_theme"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_use_index = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"

# Ansible's own pages that antsibull-docs refers to. An inventory of them would have to be downloaded for each build.
_ANSIBLE = "https://docs.ansible.com/ansible/latest/"
_PAGES = {
    "action_plugins": "plugins/action.html#action-plugins",
    "ansible_configuration_settings": "reference_appendices/config.html#ansible-configuration-settings",
    "callback_plugins": "plugins/callback.html#callback-plugins",
    "common_return_values": "reference_appendices/common_return_values.html#common-return-values",
}


def _of_ansible(_app: Any, _environment: Any, node: Any, text: Any) -> Any:
    page = _PAGES.get(node["reftarget"]) if node["reftype"] == "ref" else None
    return nodes.reference("", "", text, refuri=f"{_ANSIBLE}{page}", internal=False) if page else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", _of_ansible)
