import io

from hypothesis import given
from hypothesis import strategies as st

from hack.virtual_kubelet import tail
from hack.virtual_kubelet.tail import start_of_last_lines


@given(st.text(st.sampled_from("ab\n")), st.none() | st.integers(0, 6), st.integers(1, 5))
def test_tail_begins_with_the_last_lines(text: str, lines: int | None, block: int) -> None:
    content = text.encode()
    usual, tail._BLOCK = tail._BLOCK, block
    try:
        start = start_of_last_lines(io.BytesIO(content), lines)
    finally:
        tail._BLOCK = usual
    whole = content.splitlines(keepends=True)
    assert content[start:] == b"".join(whole if lines is None else whole[len(whole) - min(lines, len(whole)) :])
