import os
import signal
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hack.cluster import api, local
from hack.cluster.layout import Layout, layout
from hack.cluster.local import Level

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]


def processes(place: Layout) -> list[str]:
    """Command lines of running processes that name the cluster's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(place.root) in command:
            found.append(command)
    return found


def test_the_api_server_answers_who_verifies_it(control_plane: Layout) -> None:
    version = api.request(control_plane, "GET", "/version")
    assert (version["major"], version["minor"]) == ("1", "36")
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{control_plane.read_facts()['server']}/version", timeout=5)


def test_who_has_no_certificate_may_not_read(control_plane: Layout) -> None:
    context = ssl.create_default_context(cafile=str(control_plane.certificates / "ca.crt"))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{control_plane.read_facts()['server']}/api/v1/pods", context=context, timeout=5)


def test_keys_and_kubeconfigs_are_for_their_owner_alone(control_plane: Layout) -> None:
    secret = [*control_plane.certificates.glob("*.key"), *control_plane.root.glob("*kubeconfig")]
    assert len(secret) > 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in secret)


def test_controllers_work(control_plane: Layout) -> None:
    assert api.admits_pods(control_plane)


def test_up_again_changes_nothing(control_plane: Layout) -> None:
    before = processes(control_plane)
    facts = control_plane.facts.read_text()
    local.up(control_plane, Level.CONTROL_PLANE)
    assert (processes(control_plane), control_plane.facts.read_text()) == (before, facts)


def test_a_component_that_dies_is_reported_with_its_last_words_and_mended_by_up(control_plane: Layout) -> None:
    place = layout("test-death")
    try:
        local.up(place, Level.CONTROL_PLANE)
        assert control_plane.read_facts()["server"] != place.read_facts()["server"]
        (pid,) = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if b"kube-scheduler" in (command := path.read_bytes()) and str(place.root).encode() in command
        ]
        os.kill(pid, signal.SIGKILL)
        limit = time.monotonic() + 5
        while not local.status(place).deaths and time.monotonic() < limit:
            time.sleep(0.05)
        (death,) = local.status(place).deaths
        assert death.startswith(
            f"kube-scheduler ended with exit code -9; the end of {place.logs}/kube-scheduler.log:\n    "
        )
        local.up(place, Level.CONTROL_PLANE)
        assert local.status(place).deaths == ()
    finally:
        local.down(place)
    assert processes(place) == []
    assert not place.root.exists()
    assert not local.status(place).running
