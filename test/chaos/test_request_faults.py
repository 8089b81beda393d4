from collections import Counter

from test.builders.chaos.request_faults import Call, RequestFault, RequestFaults

LEASE = Call("PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/dgdr-controller")
READ = Call("GET", "/api/v1/namespaces/a/configmaps/b")
STATUS = Call("PATCH", "/apis/nvidia.com/v1beta1/namespaces/a/dynamographdeploymentrequests/b/status")
MANY = 4000


def decided(faults: RequestFaults, call: Call, count: int = MANY) -> list[RequestFault | None]:
    return [faults.next(call) for _ in range(count)]


def test_same_seed_decides_the_same_whatever_else_is_asked_between() -> None:
    first, second, another = RequestFaults(1, 0.5), RequestFaults(1, 0.5), RequestFaults(2, 0.5)
    alone = decided(first, STATUS, 100)
    mixed = []
    for _ in range(100):
        second.next(READ)
        mixed.append(second.next(STATUS))
    assert alone == mixed != decided(another, STATUS, 100)


def test_share_of_requests_that_fail_is_the_one_asked_for() -> None:
    failed = [fault for fault in decided(RequestFaults(1, 0.2), STATUS) if fault]
    assert abs(len(failed) / MANY - 0.2) < 0.02
    assert set(failed) == set(RequestFault)
    counts = Counter(failed)
    assert counts[RequestFault.HELD] < counts[RequestFault.FAILED]


def test_conflicts_are_of_statuses_alone() -> None:
    assert RequestFault.CONFLICT not in decided(RequestFaults(1, 1.0), READ)


def test_leases_are_spared_unless_asked_otherwise() -> None:
    assert set(decided(RequestFaults(1, 1.0), LEASE, 20)) == {None}
    assert None not in decided(RequestFaults(1, 1.0, leases=True), LEASE, 20)


def test_only_fault_that_is_wanted_comes() -> None:
    only = RequestFaults(1, 1.0, {RequestFault.RESET: 1})
    assert set(decided(only, READ, 20)) == {RequestFault.RESET}
    assert decided(RequestFaults(1, 1.0, {RequestFault.CONFLICT: 1}), READ, 1) == [None]
