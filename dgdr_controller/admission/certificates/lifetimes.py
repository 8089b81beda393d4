"""How long certificates live, and when one of them needs a successor."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

_SECOND = timedelta(seconds=1)
_PART = 3


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates live; whole seconds, as X.509 counts.

    When a third of a CA's life is left its successor is published, to be used an overlap later, and what it replaces
    must be good for another: in such a third two overlaps must fit, a quarter of one by which each of the two looks may
    be late (``lateness``), and two seconds for what rounding takes away.

    Attributes:
        authority: Life of a CA.
        serving: Life of a serving certificate.
        overlap: How long a new CA is published before anything is signed with it, and how long the old one stays
            published after nothing is: all who verify must have learnt of the change within this time, and all
            replicas must have taken up the new serving certificate.
        backdating: How far before it is made a certificate's life begins: clocks that are late accept it as well.

    Raises:
        ValueError: Not whole seconds, or they do not fit together.
    """

    authority: timedelta = timedelta(days=3650)
    serving: timedelta = timedelta(days=365)
    overlap: timedelta = timedelta(minutes=10)
    backdating: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        for lifetime in (self.authority, self.serving, self.overlap, self.backdating):
            if lifetime < _SECOND or lifetime % _SECOND:
                raise ValueError(f"X.509 counts whole seconds: {lifetime} is not at least one")
        if self.authority < self.serving:
            raise ValueError("a CA must live as long as what it signs")
        if self.serving / _PART < 2 * (self.overlap + self.lateness + _SECOND):
            raise ValueError("a third of a serving certificate's life must be two and a half overlaps and two seconds")

    @property
    def lateness(self) -> timedelta:
        """How long after something was due it may be noticed."""
        return self.overlap / 4

    def begins(self, now: datetime) -> datetime:
        """Return when the life begins of a certificate that is made now; rounded up, so that overlaps are full."""
        whole = now.replace(microsecond=0)
        return (whole if whole == now else whole + _SECOND) - self.backdating

    def made(self, certificate: x509.Certificate) -> datetime:
        """Return when a certificate was made."""
        return certificate.not_valid_before_utc + self.backdating

    def renewal(self, certificate: x509.Certificate) -> datetime:
        """Return when less than a third of a certificate's life is left."""
        ends = certificate.not_valid_after_utc
        return ends - (ends - self.made(certificate)) / _PART
