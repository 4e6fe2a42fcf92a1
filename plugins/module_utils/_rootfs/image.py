# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI images: what is asked, what the image says of itself, and how it gets into the cache.

skopeo fetches, umoci unpacks. An image is unpacked once per digest; trees are clones of that.
"""
from __future__ import annotations

import json
import math
import subprocess
import typing as t

from .._kernel.errors import LxcError
from . import cache, programs
from .clone import METHODS

if t.TYPE_CHECKING:
    from .manifest import Manifest

# containers-transports(5), those that name an image by text alone.
TRANSPORTS = ("docker://", "oci:", "oci-archive:", "docker-archive:", "dir:")
_DOING = "use as option of a root file system:"
_INSPECT_SECONDS = 120


class ImageSpec(t.NamedTuple):
    """The options, checked."""

    src: str
    method: str = "overlay"
    tls_verify: bool = True
    authfile: str | None = None
    timeout: float = 1800


class Image(t.NamedTuple):
    """What the image says of itself."""

    digest: str
    command: list[str] | None
    environment: dict[str, str]
    cwd: str | None
    user: str
    size: int  # bytes to fetch, 0 where that is not known before
    tools: tuple[str, str]  # skopeo and umoci
    cached: bool

    @property
    def name(self) -> str:
        """Of the tree in the cache."""
        return "image-%s" % self.digest.partition(":")[2][:32]

    def manifest(self) -> Manifest:
        """How a container is run on it."""
        found: Manifest = {"environment": self.environment}
        if self.command:
            found["command"] = self.command
        if self.cwd:
            found["cwd"] = self.cwd
        return found


def make_image(options: dict[str, t.Any]) -> ImageSpec:
    """The options, checked.

    :raises LxcError: naming the first that can't be
    """
    spec = ImageSpec(**{key: value for key, value in options.items() if value is not None})
    if not spec.src.startswith(TRANSPORTS) or not spec.src.isprintable() or " " in spec.src:
        raise LxcError(_DOING, "image.src", detail="%r names no image" % spec.src,
                       hint="Begin with one of: %s." % ", ".join(TRANSPORTS))
    transport, _colon, rest = spec.src.partition(":")
    if transport != "docker" and not rest.startswith("/"):
        raise LxcError(_DOING, "image.src", detail="the path %r is not absolute" % rest,
                       hint="Give the whole path from / on, on the managed host.")
    if spec.authfile is not None and not spec.authfile.startswith("/"):
        raise LxcError(_DOING, "image.authfile", detail="%r is not absolute" % spec.authfile,
                       hint="Give the whole path from / on, on the managed host.")
    if spec.timeout <= 0 or spec.method not in METHODS:
        raise LxcError(_DOING, "image", detail="'timeout' or 'method' can't be",
                       hint="Methods are: %s." % ", ".join(METHODS))
    return spec


def observe_image(spec: ImageSpec) -> Image:
    """Ask for its digest and configuration; nothing is fetched.

    :raises LxcError: when the programs are missing, or there is no such image
    """
    found = []
    for name in ("skopeo", "umoci"):
        path = programs.find(name)
        if path is None:
            raise LxcError("use image", spec.src, detail="the host has no %s" % name,
                           hint="Install it: the role fleet.lxc.host does with "
                                "'host_rootfs_tools: [skopeo, umoci]'.")
        found.append(path)
    names = ["--no-tags"] if spec.src.startswith("docker://") else []
    about = _ask(spec, [found[0], "inspect", *names, *access(spec), spec.src])
    config = _ask(spec, [found[0], "inspect", "--config", *access(spec), spec.src])
    layers = _ask(spec, [found[0], "inspect", "--raw", *access(spec), spec.src]).get("layers")
    size = sum(int(layer.get("size", 0)) for layer in layers or [])
    image = parse(about, config, size, (found[0], found[1]))
    return image._replace(cached=cache.usable(image.name, math.inf) is not None)


def parse(about: dict[str, t.Any], config: dict[str, t.Any], size: int,
          tools: tuple[str, str]) -> Image:
    """What skopeo says, as far as it matters here. Pure. OCI image configuration."""
    run = config.get("config") or {}
    command = [*(run.get("Entrypoint") or []), *(run.get("Cmd") or [])]
    environment = dict(pair.partition("=")[::2] for pair in run.get("Env") or [])
    cwd = run.get("WorkingDir") or None
    return Image(about["Digest"], command or None, environment,
                 cwd if cwd and cwd.startswith("/") else None, run.get("User") or "", size, tools,
                 False)


def access(spec: ImageSpec) -> list[str]:
    """Options of skopeo for reaching a registry."""
    if not spec.src.startswith("docker://"):
        return []
    return ["--tls-verify=%s" % ("true" if spec.tls_verify else "false"),
            *(["--authfile", spec.authfile] if spec.authfile else [])]


def _ask(spec: ImageSpec, argv: list[str]) -> dict[str, t.Any]:
    try:
        answer = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_INSPECT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LxcError("look at image", spec.src, detail="no answer within %d seconds"
                       % _INSPECT_SECONDS, hint="See whether the host reaches it.") from error
    except OSError as error:
        raise LxcError.from_os("run", argv[0], error) from error
    try:
        found = json.loads(answer.stdout)
        if not answer.returncode and isinstance(found, dict):
            return found
    except ValueError:
        pass
    said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
    raise LxcError("look at image", spec.src,
                   detail=said[-1] if said else "skopeo ended with %d" % answer.returncode,
                   hint="See whether the image is there; a registry without TLS needs "
                        "'tls_verify: false', a private one 'authfile'.")
