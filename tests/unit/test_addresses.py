# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, hardware addresses and link names as users write them."""
from __future__ import annotations

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import addresses
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


@pytest.mark.parametrize("text, spelled, network, broadcast", [
    ("10.0.3.1/24", "10.0.3.1/24", "10.0.3.0/24", "10.0.3.255"),
    ("192.0.2.129/25", "192.0.2.129/25", "192.0.2.128/25", "192.0.2.255"),
    ("10.0.0.1/32", "10.0.0.1/32", "10.0.0.1/32", None),
    ("10.0.0.1/31", "10.0.0.1/31", "10.0.0.0/31", None),
    ("10.0.0.1/0", "10.0.0.1/0", "0.0.0.0/0", "255.255.255.255"),
    ("FD00:0003::0001/64", "fd00:3::1/64", "fd00:3::/64", None),
    ("2001:db8::ff/120", "2001:db8::ff/120", "2001:db8::/120", None),
])
def test_a_cidr_and_what_follows_from_it(text, spelled, network, broadcast) -> None:
    cidr = addresses.parse_cidr(text)
    assert addresses.to_text(cidr) == spelled
    assert addresses.to_text(addresses.network(cidr)) == network
    assert addresses.broadcast(cidr) == broadcast


@pytest.mark.parametrize("text, problem", [
    ("10.0.3.1", "prefix is missing"),
    ("10.0.3.1/", "not a prefix length"),
    ("10.0.3.1/33", "not a prefix length"),
    ("10.0.3.1/-1", "not a prefix length"),
    ("10.0.3.1/24\n", "not a prefix length"),
    ("10.0.3.1/٣", "not a prefix length"),
    ("fd00::1/129", "not a prefix length"),
    ("10.0.3/24", "neither"),
    ("010.0.3.1/24", "neither"),
    ("10.0.3.256/24", "neither"),
    ("host/24", "neither"),
    ("/24", "neither"),
    ("", "neither"),
    ("10.0.3.1\0/24", "neither"),
])
def test_a_malformed_cidr_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(LxcError) as caught:
        addresses.parse_cidr(text)
    assert problem in caught.value.detail
    assert caught.value.hint


@pytest.mark.parametrize("mac", ["02:00:00:00:00:01", "52:54:00:AB:cd:ef"])
def test_a_mac_comes_in_lower_case(mac: str) -> None:
    assert addresses.check_mac(mac) == mac.lower()


@pytest.mark.parametrize("mac", [
    "", "02:00:00:00:00", "02:00:00:00:00:01:02", "0g:00:00:00:00:01", "2:0:0:0:0:1",
    "01:00:5e:00:00:01", "00:00:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:01\n",
])
def test_a_mac_that_no_link_can_have_is_refused(mac: str) -> None:
    with pytest.raises(LxcError):
        addresses.check_mac(mac)


@pytest.mark.parametrize("name", ["lxcbr0", "a", "br-0.5_x", "a" * 15])
def test_a_links_name(name: str) -> None:
    addresses.check_link_name(name)


@pytest.mark.parametrize("name", [
    "", ".", "..", "a" * 16, "ä" * 8, "a/b", "a b", "a:b", "a\0b", "a\n", "br%d",
])
def test_a_name_that_no_link_can_have_is_refused(name: str) -> None:
    with pytest.raises(LxcError):
        addresses.check_link_name(name)
