# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_host_info."""
from __future__ import annotations

import typing as t

from .._kernel import cgroups, resources
from .._kernel.errors import LxcError
from .._kernel.features import (
    FEATURES,
    NAMESPACES,
    SYMBOLS,
    Evidence,
    judge,
    observe,
    unmounted_controllers,
)

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {"require": {"type": "list", "elements": "str", "default": []}}


def handle(request: Request) -> dict[str, t.Any]:
    """Facts about the host; failed when something required is not there."""
    result = report(observe(), request.params["require"], request.warn)
    result["host"]["resources"] = resources.observe()
    return result


def report(evidence: Evidence, require: list[str],
           warn: t.Callable[[str], None]) -> dict[str, t.Any]:
    """The result, from evidence alone.

    :raises LxcError: for a name in ``require`` that is no feature's
    """
    known = {feature.name: feature for feature in FEATURES}
    for name in require:
        if name not in known:
            raise LxcError("require", repr(name), detail="there is no such feature",
                           hint="Features are: %s." % ", ".join(known))
    features = judge(evidence)
    result: dict[str, t.Any] = {"changed": False, "host": _facts(evidence, features)}
    absent = [name for name in require if features[name] is False]
    for name in require:
        if features[name] is None:
            warn("Whether this host has %s could not be found out." % name)
    if absent:
        result["failed"] = True
        result["msg"] = " ".join("This host lacks %s. %s" % (name, known[name].remedy)
                                 for name in absent)
    return result


def _facts(evidence: Evidence, features: dict[str, bool | None]) -> dict[str, t.Any]:
    return {
        "kernel": {"release": evidence.release, "machine": evidence.machine},
        "config": {"source": evidence.config_source or None,
                   "symbols": {s: evidence.config.get(s, "n") for s in SYMBOLS}
                   if evidence.config is not None else {}},
        "namespaces": {name: name in evidence.namespaces for name in NAMESPACES},
        "cgroups": {
            "layout": cgroups.layout(evidence.hierarchies),
            "hierarchies": [{"version": h.version, "path": h.path,
                             "controllers": list(h.controllers) if h.version == 1
                             else evidence.v2_controllers} for h in evidence.hierarchies],
            "controllers": sorted(c for c in evidence.controllers if "=" not in c),
            "unmounted": unmounted_controllers(evidence)},
        "features": features,
        "python": {"executable": evidence.python, "version": evidence.python_version},
        "pyroute2": {"version": evidence.pyroute2, "problem": evidence.pyroute2_problem or None},
        "missing": [{"feature": f.name, "needed": f.needed, "why": f.why, "remedy": f.remedy}
                    for f in FEATURES if features[f.name] is False],
        "ready": all(features[f.name] is not False for f in FEATURES if f.needed),
    }
