import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from hack.virtual_kubelet.addresses import free_address


@given(st.text(), st.integers(1, 40))
def test_address_is_a_loopback_address_that_nobody_has(cluster: str, count: int) -> None:
    used: set[str] = set()
    last = ""
    for _ in range(count):
        last = free_address(cluster, used, last)
        assert ipaddress.IPv4Address(last) in ipaddress.IPv4Network("127.64.0.0/10")
        assert last not in used
        used.add(last)


def test_address_that_was_given_back_is_not_taken_at_once() -> None:
    first = free_address("c", set())
    assert free_address("c", set(), first) != first


def test_address_blocks_of_clusters_differ() -> None:
    assert free_address("one", set()) != free_address("two", set())
