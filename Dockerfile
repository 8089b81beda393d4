# Two images from one file: `docker build --target controller .` and `--target profiler`.
# BASE: a Debian with Python 3.11 to 3.13 as python3, with venv; any mirror or self-made root file system will do.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY api/ api/
COPY dgdr_controller/ dgdr_controller/
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# Each image gets an environment with exactly the hashed requirements, and without pip.
FROM build AS controller-env
RUN python3 -m venv --without-pip /opt/dgdr \
 && /opt/build/bin/python -m pip --python /opt/dgdr/bin/python install --no-cache-dir --require-hashes -r requirements/controller.txt \
 && /opt/build/bin/python -m pip --python /opt/dgdr/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM build AS profiler-env
RUN python3 -m venv --without-pip /opt/dgdr \
 && /opt/build/bin/python -m pip --python /opt/dgdr/bin/python install --no-cache-dir --require-hashes -r requirements/profiler.txt \
 && /opt/build/bin/python -m pip --python /opt/dgdr/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM ${BASE} AS runtime
ENV PATH=/opt/dgdr/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
WORKDIR /tmp
USER 1000:1000
ENTRYPOINT ["/opt/dgdr/bin/dgdr"]

FROM runtime AS profiler
COPY --from=profiler-env /opt/dgdr /opt/dgdr

FROM runtime AS controller
COPY --from=controller-env /opt/dgdr /opt/dgdr
