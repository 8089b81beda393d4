"""Who is answered by the page's server: the page itself, under a name of this machine."""

import pytest

from dgdr_controller.results.requests_allowed import TOKEN, refusal

OWN = {"Host": "localhost:8080", "Origin": "http://localhost:8080", TOKEN: "secret"}


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:9000", "[::1]:8080", "localhost", "LOCALHOST:80"])
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert refusal({"Host": host}) is None
    assert refusal({"Host": host, "Origin": f"http://{host}"}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1:8080", "", "[", "a@localhost.x"]
)
def test_name_that_was_pointed_to_this_machine_is_refused(host: str) -> None:
    reason = refusal({"Host": host})
    assert reason is not None
    assert "is not this machine" in reason


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost:8080", "http://localhost:9090", "null"])
def test_other_page_is_refused(origin: str) -> None:
    reason = refusal(OWN | {"Origin": origin}, "secret")
    assert reason is not None
    assert "another page" in reason


@pytest.mark.parametrize("headers", [OWN | {TOKEN: "other"}, {k: v for k, v in OWN.items() if k != TOKEN}])
def test_change_takes_the_pages_token(headers: dict[str, str]) -> None:
    assert refusal(OWN, "secret") is None
    reason = refusal(headers, "secret")
    assert reason is not None
    assert "reload the page" in reason
    assert refusal(headers) is None, "reading takes none"
