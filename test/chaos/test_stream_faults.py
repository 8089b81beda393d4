from test.builders.chaos.stream_faults import History, Sent, StreamFaults, StreamPlan

LINES = [b'{"type":"MODIFIED","object":%d}\n' % number for number in range(200)]
BOOKMARK = b'{"type":"BOOKMARK","object":{}}\n'
INITIAL_END = b'{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}\n'


def plan_of(
    faults: StreamFaults, kind: str = "/a", history: History | None = None, *, lists: bool = False
) -> StreamPlan:
    return StreamPlan(faults, 1, kind, history or History(), lists=lists)


def taken(faults: StreamFaults, lines: list[bytes], *, lists: bool = False) -> list[Sent]:
    plan = plan_of(faults, lists=lists)
    return [plan.take(line) for line in lines]


def passed_on(sent: list[Sent]) -> list[bytes]:
    return [line for one in sent for line in one.lines]


def test_without_faults_every_line_is_passed_on_once() -> None:
    assert passed_on(taken(StreamFaults(), LINES)) == LINES


def test_duplicates_come_next_to_each_other_and_late_ones_a_little_later() -> None:
    assert passed_on(taken(StreamFaults(duplicates=1.0), LINES)) == [line for line in LINES for _ in range(2)]
    late = passed_on(taken(StreamFaults(late_duplicates=0.3), LINES))
    assert list(dict.fromkeys(late)) == LINES
    assert len(late) > 230
    repeated = [at for at, line in enumerate(late) if line in late[:at]]
    assert max(at - late.index(late[at]) for at in repeated) > 1


def test_delays_differ_from_kind_to_kind_and_are_the_same_again() -> None:
    faults = StreamFaults(delay_s=2.0)
    longest = {kind: max(plan_of(faults, kind).take(line).delay_s for line in LINES) for kind in ("/a", "/b", "/c")}
    assert len(set(longest.values())) == 3
    assert 0 < min(longest.values()) < max(longest.values()) <= 2.0
    assert taken(faults, LINES) == taken(faults, LINES)


def test_lost_events_are_followed_by_one_expiry() -> None:
    sent = taken(StreamFaults(losses=0.3, expires_s=1.5), LINES)
    expiries = [one.expires_in_s for one in sent if one.expires_in_s is not None]
    assert expiries == [1.5]
    assert 30 < sum(not one.lines for one in sent) < 90


def test_nothing_is_lost_of_a_list_nor_of_bookmarks() -> None:
    everything = StreamFaults(losses=1.0)
    listed = taken(everything, [*LINES, INITIAL_END, LINES[0]], lists=True)
    assert passed_on(listed) == [*LINES, INITIAL_END]
    assert passed_on(taken(everything, [BOOKMARK])) == [BOOKMARK]


def test_kind_expires_only_so_often() -> None:
    history = History()
    faults = StreamFaults(losses=1.0, most_expiries=2)
    expiries = [plan_of(faults, history=history).take(LINES[0]).expires_in_s for _ in range(4)]
    assert expiries == [faults.expires_s, faults.expires_s, None, None]


def test_other_namespaces_are_left_out() -> None:
    inside, outside, node = (
        b'{"type":"ADDED","object":{"metadata":%s}}\n' % metadata
        for metadata in (b'{"namespace":"a"}', b'{"namespace":"b"}', b"{}")
    )
    plan = StreamPlan(StreamFaults(), 1, "/a", History(), lists=True, namespaces={"a"})
    assert passed_on([plan.take(line) for line in (inside, outside, node, BOOKMARK)]) == [inside, node, BOOKMARK]


def test_stream_may_end_after_any_line() -> None:
    assert taken(StreamFaults(closes=1.0), LINES)[0].ends
    assert 0 < sum(one.ends for one in taken(StreamFaults(closes=0.1), LINES)) < 50
