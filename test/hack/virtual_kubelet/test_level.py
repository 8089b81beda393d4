from hack.cluster.model import Level


def test_level_includes_those_below_it() -> None:
    order = [Level.CONTROL_PLANE, Level.VIRTUAL_NODE, Level.NODE]
    for higher, level in enumerate(order):
        assert [level.includes(other) for other in order] == [other <= higher for other in range(3)]
