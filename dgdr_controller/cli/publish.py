"""``dgdr publish``: the container beside the profiler that carries its files into the cluster."""

import asyncio
import signal
from pathlib import Path

import click

from dgdr_api.names import output_name
from dgdr_controller.profiling_job.publisher import publish as publish_files
from dgdr_controller.profiling_job.source import PROFILERS, Source
from dgdr_controller.runtime import Client, Config, Key
from dgdr_controller.runtime.log import configure


@click.command()
@click.option(
    "--output-dir", "folder", required=True, type=click.Path(path_type=Path), help="Folder that the profiler writes to."
)
@click.option("--name", required=True, envvar="DGDR_NAME", help="Name of the request.")
@click.option("--namespace", required=True, envvar="DGDR_NAMESPACE", help="Its namespace.")
@click.option("--job-uid", required=True, envvar="DGDR_JOB_UID", help="UID of the Job.")
@click.option("--inputs", required=True, envvar="DGDR_INPUTS", help="Hash of the profiler's inputs.")
@click.option(
    "--profiler", type=click.Choice(list(PROFILERS)), default="dgdr", show_default=True, help="Whose files they are."
)
@click.option(
    "--report-dir",
    "report_folder",
    type=click.Path(path_type=Path),
    help="Folder that a thorough search reads the controller's answers from.",
)
@click.option(
    "--volume", type=click.Path(path_type=Path), help="Volume that the folder is in. [default: the folder itself]"
)
def publish(  # noqa: PLR0913 - an option each
    *,
    folder: Path,
    name: str,
    namespace: str,
    job_uid: str,
    inputs: str,
    profiler: str,
    volume: Path | None,
    report_folder: Path | None,
) -> None:
    """Publish a profiling's progress and results until SIGTERM."""
    configure()
    source = Source(folder, job_uid, inputs, PROFILERS[profiler], volume)
    asyncio.run(_run(Key(namespace, output_name(name)), source, report_folder))


async def _run(key: Key, source: Source, report_folder: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # it was held back from the start of the program on
    client = Client(Config.load())
    try:
        await publish_files(client, key, source, stop, report_folder)
    finally:
        await client.close()
