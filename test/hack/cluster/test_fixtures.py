import pytest

from hack.cluster import fixtures, model, progress


class Impossible:
    """A cluster that this machine cannot have."""

    name = "impossible"

    def up(self, _: model.Level) -> None:
        raise progress.UnavailableError("missing programs: etcd")

    def down(self) -> None:
        pass


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_cluster_that_cannot_be_had_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    with (
        pytest.raises(outcome, match="no node: missing programs: etcd"),
        fixtures.brought_up(Impossible(), model.Level.NODE),  # type: ignore[arg-type]
    ):
        pass
