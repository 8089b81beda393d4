"""Simulated clocks walk over many lifetimes; clients and replicas that are late by an overlap are never let down."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from dgdr_controller.admission.certificates import Lifetimes
from dgdr_controller.admission.certificates.rotation import Material, due, renewed

Accepts = Callable[..., bool]


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


@dataclass
class Walk:
    """What was held from when on."""

    lifetimes: Lifetimes
    name: str
    accepts: Accepts
    now: datetime
    held: list[tuple[datetime, Material]] = field(default_factory=list)

    def step(self, length: timedelta) -> Material:
        """Let time pass, renew what is due, and ask all who may be late."""
        self.now += length
        last = self.held[-1][1] if self.held else None
        material = renewed(last, [self.name], self.now, self.lifetimes)
        if material is not last:
            self.held.append((self.now, material))
        for late in self.recent():
            assert self.accepts(late.bundle, material.certificate, self.now), "a client that is late refuses"
            assert self.accepts(material.bundle, late.certificate, self.now), "a replica that is late is refused"
        return material

    def recent(self) -> Iterable[Material]:
        """What somebody may believe to be held who has not looked for an overlap."""
        ends = [when for when, _ in self.held[1:]] + [self.now]
        return [
            material
            for (_, material), end in zip(self.held, ends, strict=True)
            if end > self.now - self.lifetimes.overlap
        ]

    @property
    def authorities(self) -> list[bytes]:
        """The newest CAs, one after the other."""
        newest = [
            x509.load_pem_x509_certificates(material.bundle)[-1].fingerprint(_SHA256) for _, material in self.held
        ]
        return list(dict.fromkeys(newest))


_SHA256 = hashes.SHA256()


@pytest.mark.parametrize("length", [0.7, 3.9])
def test_rotation_holds_over_many_lives_of_a_ca(
    start: datetime, short: Lifetimes, name: str, accepts: Accepts, length: float
) -> None:
    walk = Walk(short, name, accepts, start)
    for _ in range(int(1040 / length)):
        walk.step(seconds(length))
    assert len(walk.authorities) == 1 + 1040 // 200  # one for each two thirds of its life
    assert len({material.certificate for _, material in walk.held}) > 1040 / 50
    sizes = [len(x509.load_pem_x509_certificates(material.bundle)) for _, material in walk.held]
    assert set(sizes) == {1, 2}
    assert sizes.count(2) >= 5


@st.composite
def _lifetimes(draw: st.DrawFn) -> Lifetimes:
    overlap = draw(st.integers(1, 10))
    serving = math.ceil(7.5 * overlap) + 6 + draw(st.integers(0, 60))
    return Lifetimes(
        authority=seconds(serving + draw(st.integers(0, 200))),
        serving=seconds(serving),
        overlap=seconds(overlap),
        backdating=seconds(draw(st.integers(1, 30))),
    )


@settings(max_examples=50)
@given(lifetimes=_lifetimes(), looks=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=20))
def test_rotation_holds_for_any_lifetimes_and_late_looks(
    start: datetime, name: str, accepts: Accepts, lifetimes: Lifetimes, looks: list[tuple[float, float]]
) -> None:
    walk = Walk(lifetimes, name, accepts, start)
    for between, late in looks:
        material = walk.step(lifetimes.lateness * between)
        walk.step(max(seconds(0), due(material, lifetimes) - walk.now) + lifetimes.lateness * late)
    assert len(walk.authorities) > 1


@settings(max_examples=30)
@given(lifetimes=_lifetimes(), sooner=st.floats(0.001, 0.999))
def test_rotation_misses_nothing_when_it_sleeps_until_something_is_due(
    start: datetime, name: str, accepts: Accepts, lifetimes: Lifetimes, sooner: float
) -> None:
    walk = Walk(lifetimes, name, accepts, start)
    material = walk.step(seconds(0))
    for _ in range(15):
        moment = due(material, lifetimes)
        assert moment > walk.now
        before = walk.now + (moment - walk.now) * sooner
        assert renewed(material, [name], before, lifetimes) is material
        following = walk.step(moment - walk.now)
        assert following is not material
        material = following


def test_new_ca_is_used_only_after_an_overlap_and_the_old_one_goes_after_another(
    start: datetime, name: str, accepts: Accepts
) -> None:
    lifetimes = Lifetimes()
    walk = Walk(lifetimes, name, accepts, start)
    stages: list[tuple[int, bool, datetime]] = []
    material = walk.step(seconds(0))
    for _ in range(20):
        material = walk.step(due(material, lifetimes) - walk.now)
        bundle = x509.load_pem_x509_certificates(material.bundle)
        serving = x509.load_pem_x509_certificate(material.certificate)
        stages.append((len(bundle), serving.issuer == bundle[-1].subject, walk.now))
    first = next(number for number, stage in enumerate(stages) if stage[0] == 2)
    (published, used, alone) = stages[first : first + 3]
    assert [stage[:2] for stage in (published, used, alone)] == [(2, False), (2, True), (1, True)]
    for earlier, later in ((published, used), (used, alone)):
        assert lifetimes.overlap <= later[2] - earlier[2] < lifetimes.overlap + seconds(1)
    assert published[2] - start < lifetimes.authority * 2 / 3 + seconds(2)


def test_rotation_has_nothing_to_do_for_months(start: datetime, name: str) -> None:
    material = renewed(None, [name], start, Lifetimes())
    assert renewed(material, [name], start + timedelta(days=243), Lifetimes()) is material
    later = renewed(material, [name], start + timedelta(days=244), Lifetimes())
    assert later.certificate != material.certificate
    assert later.key != material.key
    assert (later.bundle, later.authority_key) == (material.bundle, material.authority_key)


def test_serving_certificate_ends_with_its_ca(start: datetime, name: str, short: Lifetimes) -> None:
    same = Lifetimes(short.serving, short.serving, short.overlap, short.backdating)
    walk = renewed(None, [name], start, same)
    late = renewed(walk, [name], due(walk, same), same)  # both are due: the old CA signs once more, and then not again
    serving, bundle = x509.load_pem_x509_certificate(late.certificate), x509.load_pem_x509_certificates(late.bundle)
    assert serving.issuer == bundle[0].subject
    assert serving.not_valid_after_utc == bundle[0].not_valid_after_utc
    assert len(bundle) == 2
    assert late.certificate != walk.certificate


def test_clocks_that_are_late_accept_what_was_just_made(
    start: datetime, name: str, accepts: Accepts, short: Lifetimes
) -> None:
    made = renewed(None, [name], start, short)
    assert accepts(made.bundle, made.certificate, start - short.backdating + seconds(1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"overlap": seconds(0.5)}, "whole seconds"),
        ({"serving": seconds(90.5)}, "whole seconds"),
        ({"backdating": seconds(0)}, "whole seconds"),
        ({"serving": timedelta(days=5000)}, "live as long as what it signs"),
        ({"overlap": timedelta(days=50)}, "two and a half overlaps"),
    ],
)
def test_lifetimes_that_cannot_work_are_refused(wrong: dict[str, timedelta], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Lifetimes(**wrong)
