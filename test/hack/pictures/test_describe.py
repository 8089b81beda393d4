from xml.etree import ElementTree as ET

from hack.pictures import describe

TEXT = "{http://www.w3.org/2000/svg}text"


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(TEXT)]  # noqa: S314 - made here


def test_picture_shows_conditions_and_the_best_candidate_of_the_recorded_output() -> None:
    shown = words(describe.picture())
    assert shown[0] == "$ kubectl describe dgdr qwen3-32b"
    for word in ("ProfilingComplete", "DeploymentReady", "Succeeded", "Deployment is healthy", "2 × tp4"):
        assert word in shown
    assert "<namespace>" not in shown
    assert "<time>" not in shown


def test_lines_that_are_shown_are_lines_of_the_output() -> None:
    output = describe.OUTPUT.read_text(encoding="utf-8").splitlines()
    shown = [line for line in describe.shortened(output) if line.strip() != "..."]
    rest = iter(output)
    assert all(any(there.startswith(line.removesuffix(" …")) for there in rest) for line in shown)
    assert max(map(len, shown)) <= 120


def test_text_is_escaped_and_held_to_its_columns() -> None:
    svg = describe.svg(["$ kubectl", "  Message:   a < b & c"])
    assert words(svg) == ["$ kubectl", "Message:", "a < b & c"]
    _, key, value = ET.fromstring(svg).iter(TEXT)  # noqa: S314 - made here
    width = float(key.get("textLength", "")) / len("Message:")
    assert abs(float(value.get("x", "")) - float(key.get("x", "")) - 11 * width) < 0.2
