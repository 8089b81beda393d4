import datetime as dt

import pytest

from dgdr_controller.runtime import Client
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.server_time import ServerTime
from dgdr_controller.runtime.testing import FakeApiServer, real_time

NOON = "Wed, 21 Oct 2015 12:00:00 GMT"


def test_time_goes_on_from_the_date_of_the_last_answer() -> None:
    elapsed = [10.0]
    time = ServerTime(lambda: elapsed[0])
    time.note(NOON)
    elapsed[0] = 75.5
    assert time.now() == dt.datetime(2015, 10, 21, 12, 1, 5, 500_000, dt.UTC)
    time.note(None)
    assert time.now().hour == 12
    time.note("Wed, 21 Oct 2015 15:00:00 GMT")
    assert time.now() == dt.datetime(2015, 10, 21, 15, tzinfo=dt.UTC)


def test_answer_that_comes_late_does_not_turn_it_back_and_another_clock_does() -> None:
    elapsed = [0.0]
    time = ServerTime(lambda: elapsed[0])
    time.note(NOON)
    elapsed[0] = 0.9
    before = time.now()
    time.note(NOON)  # its second has begun 0.9 s ago
    assert time.now() == before
    elapsed[0] = 2.9
    assert time.now() > before
    time.note("Wed, 21 Oct 2015 11:00:00 GMT")
    assert time.now().hour == 11


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_it_is_the_machines_own_time(date: str | None) -> None:
    time = ServerTime()
    time.note(date)
    assert abs(time.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


@real_time
async def test_every_answer_tells_it() -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(EVENTS)
        client.transport.server_time.note(NOON)
        await client.list(EVENTS)
        assert client.transport.server_time.now().year > 2015
