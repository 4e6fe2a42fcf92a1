# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration of the documentation site, which ./dev test docs builds."""
from __future__ import annotations

import pathlib
import shutil
import typing as t
import zlib

import ansible.modules
import ansible.plugins.become
import ansible.plugins.connection

project = "fleet.lxc"
author = "fleet.lxc contributors"
copyright = "2026, fleet.lxc contributors"  # noqa: A001
html_title = "fleet.lxc"

extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
default_role = "any"
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
smartquotes = False
nitpicky = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False

# What generated pages refer to outside of this site, and guides may. Ansible's own inventory would
# have to be fetched, and a build needs no network; a label that is missing here is a warning.
_ELSEWHERE = {
    "ansible_configuration_settings":
        "reference_appendices/config.html#ansible-configuration-settings",
    "common_return_values":
        "reference_appendices/common_return_values.html#common-return-values",
    "playbooks_keywords":
        "reference_appendices/playbooks_keywords.html#playbook-keywords",
}
_ELSEWHERE.update(
    (kind + "_plugins", "plugins/%s.html#%s-plugins" % (kind, kind))
    for kind in ("action", "become", "cache", "callback", "connection", "filter", "inventory",
                 "lookup", "shell", "strategy", "test", "vars"))
_ELSEWHERE.update(
    ("ansible_collections.ansible.builtin.%s_module" % path.stem,
     "collections/ansible/builtin/%s_module.html" % path.stem)
    for path in pathlib.Path(ansible.modules.__path__[0]).glob("[a-z]*.py"))
_ELSEWHERE.update(
    ("ansible_collections.ansible.builtin.%s_%s" % (path.stem, kind),
     "collections/ansible/builtin/%s_%s.html" % (path.stem, kind))
    for kind, package in (("become", ansible.plugins.become),
                          ("connection", ansible.plugins.connection))
    for path in pathlib.Path(package.__path__[0]).glob("[a-z]*.py"))


def _inventory() -> str:
    """A file as Sphinx writes them for others to refer to, format 2."""
    lines = "".join("%s std:label -1 %s -\n" % item for item in sorted(_ELSEWHERE.items()))
    path = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "docsite" / "ansible.inv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"# Sphinx inventory version 2\n# Project: ansible\n# Version: latest\n"
                     b"# The remainder of this file is compressed using zlib.\n"
                     + zlib.compress(lines.encode()))
    return str(path)


intersphinx_mapping = {"ansible": ("https://docs.ansible.com/ansible/latest/", _inventory())}


def _copy_images(app: t.Any, _config: t.Any) -> None:
    """antsibull-docs takes the guides over, but not what they show."""
    shutil.copytree(pathlib.Path(__file__).parent / "rst" / "images",
                    pathlib.Path(app.srcdir) / "docsite" / "images", dirs_exist_ok=True)


def setup(app: t.Any) -> None:
    app.connect("config-inited", _copy_images)
