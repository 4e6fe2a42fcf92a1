# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes over a NIC is undone unless it is confirmed; needs root."""
from __future__ import annotations

import json
import os
import pathlib
import secrets
import subprocess
import sys
import time
import typing as t

import lan as testbed
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import watchdog
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from ansible_collections.fleet.lxc.plugins.module_utils._module.bridge import (
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import Request
from lan import HOST, Lan, show_all
from network_sandbox import new_sandbox

sandbox = pytest.fixture(new_sandbox)
# The module as a process of its own, as Ansible runs it: it has to end for the change to begin.
_MODULE = """\
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._module.bridge import handle
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import Request
try:
    print(json.dumps(handle(Request(json.loads(sys.argv[1]), False, True, lambda text: None))))
except LxcError as error:
    print(json.dumps({"failed": True, "msg": str(error)}))
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def lan(sandbox: None) -> t.Iterator[Lan]:
    with testbed.lan() as made:
        yield made


def params(confirmation: str, **options: t.Any) -> dict[str, t.Any]:
    return {**{name: option.get("default") for name, option in ARGUMENT_SPEC.items()},
            "name": "br0", "confirmation": confirmation, **options}


def begin(**options: t.Any) -> tuple[str, dict[str, t.Any]]:
    token = secrets.token_hex(16)
    said = subprocess.run(
        [sys.executable, "-c", _MODULE, json.dumps(params("begin " + token, **options)),
         json.dumps(sys.path)], check=True, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=20).stdout
    return token, json.loads(said)


def finish(word: str, token: str, **options: t.Any) -> dict[str, t.Any]:
    return handle(Request(params("%s %s" % (word, token), **options), False, True, print))


def confirm(token: str, **options: t.Any) -> dict[str, t.Any]:
    """As the action plugin does, but for the connections."""
    assert finish("await", token, **options)["made"]
    return finish("keep", token, **options)


def nothing_is_left() -> None:
    assert not os.path.exists(watchdog.FOLDER)


def test_what_is_confirmed_stays_and_what_could_not_be_undone_comes_then(lan: Lan) -> None:
    before = show_all()
    token, first = begin(takeover="eth0")
    assert first["unconfirmed"] and first["changed"]
    second = confirm(token, takeover="eth0")
    assert second["bridge"] == first["bridge"]
    nothing_is_left()
    token, first = begin(state="absent")
    assert first["operations"][-1] == "delete bridge br0"
    with Netlink() as netlink:
        assert netlink.link("br0")  # not before the confirmation
    assert confirm(token, state="absent")["bridge"]["state"] == "absent"
    assert show_all() == before
    nothing_is_left()


def test_what_nobody_confirms_is_undone(lan: Lan) -> None:
    before = show_all()
    for state, options in (("present", {"takeover": "eth0"}), ("absent", {})):
        if state == "absent":
            handle(Request(params("", takeover="eth0", confirm_timeout=0), False, True, print))
            before = show_all()
        token, first = begin(state=state, confirm_timeout=1, **options)
        assert first["unconfirmed"]
        wait_for(pathlib.Path(watchdog.FOLDER, token + ".ended").exists)
        assert show_all() == before
        with pytest.raises(LxcError, match="nobody confirmed it.*old network is back"):
            finish("keep", token, state=state, **options)
        nothing_is_left()


def test_a_wrong_gateway_cuts_off_and_comes_back(lan: Lan) -> None:
    """From where a controller would be: behind the gateway."""
    with lan.far_away():
        assert lan.answers(HOST)
        token, _first = begin(takeover="eth0", gateway4="192.0.2.200", confirm_timeout=2)
        wait_for(lambda: not lan.answers(HOST))
        wait_for(lambda: lan.answers(HOST))
        with pytest.raises(LxcError, match="old network is back"):
            finish("await", token)


def test_a_broken_connection_undoes_at_once(lan: Lan) -> None:
    before = show_all()
    token, _first = begin(takeover="eth0")
    with pytest.raises(LxcError, match="connection broke.*old network is back"):
        finish("undo", token)
    assert show_all() == before
    nothing_is_left()


def test_what_fails_on_the_way_tells_why(lan: Lan) -> None:
    before = show_all()
    token, first = begin(takeover="eth0", addresses=["192.0.2.10/24"])
    assert first["unconfirmed"]
    with pytest.raises(LxcError, match="list that one too"):
        finish("await", token)
    assert show_all() == before
    nothing_is_left()


def test_who_came_before_the_change_confirms_nothing(lan: Lan) -> None:
    """A connection from before can live on where no new one gets through."""
    before = show_all()
    token = secrets.token_hex(16)
    with subprocess.Popen(
            [sys.executable, "-c", _MODULE, json.dumps(params("begin " + token, takeover="eth0")),
             json.dumps(sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as module:
        assert module.stdout and json.loads(module.stdout.readline())["unconfirmed"]
        with pytest.raises(LxcError, match="not made yet.*new connection"):
            finish("keep", token, takeover="eth0")
        assert show_all() == before
    confirm(token, takeover="eth0")
    nothing_is_left()


def test_a_confirmation_whose_answer_got_lost_is_no_failure(lan: Lan) -> None:
    token, first = begin(takeover="eth0")
    assert confirm(token, takeover="eth0")["bridge"] == first["bridge"]
    assert finish("again", token, takeover="eth0")["bridge"] == first["bridge"]
    with pytest.raises(LxcError, match="knows of no such change"):  # a host that came up without
        finish("again", token, takeover="eth0", mtu=1300)
    nothing_is_left()


def test_a_second_change_has_to_wait(lan: Lan) -> None:
    token, _first = begin(takeover="eth0")
    _token, second = begin(takeover="eth0", mtu=1300)
    assert "waits to be confirmed" in second["msg"]
    confirm(token, takeover="eth0")
    nothing_is_left()


def test_without_confirmation_it_is_refused_or_done_at_once(lan: Lan) -> None:
    before = show_all()
    with pytest.raises(LxcError, match="nobody to confirm.*confirm_timeout: 0"):
        handle(Request(params("", takeover="eth0"), False, True, print))
    assert show_all() == before
    with pytest.raises(LxcError, match="knows of no such change"):
        finish("keep", secrets.token_hex(16))
    with pytest.raises(LxcError, match="32 hexadecimal digits"):
        finish("keep", "../../etc/passwd")


def wait_for(true: t.Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
