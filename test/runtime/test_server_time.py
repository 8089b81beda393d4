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
