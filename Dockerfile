# Images from one file: `docker build --target controller .`, `--target profiler` and `--target measurer`; needs BuildKit
# or buildah.
# `--target dynamo` is for clusters of this machine alone: Dynamo's frontend and its engine that pretends.
# BASE: a Debian with Python 3.11 to 3.13 as python3, with venv; any mirror or self-made root file system will do.
# The secrets are optional: configuration of pip and uv, and certificate authorities, of the machine that builds. Nothing
# of them, and nothing of a stage but what is copied out of it, gets into an image.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
ENV UV_CACHE_DIR=/cache/uv UV_LINK_MODE=copy UV_NO_PROGRESS=1
COPY requirements/uv.txt requirements/build.txt requirements/
COPY hack/images/uv.sh /usr/local/bin/uv
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes --no-deps -r requirements/uv.txt \
 && uv pip install --python=/opt/build --require-hashes --no-deps -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/dgdr

# Each image gets an environment with exactly the hashed requirements, without pip. Bytecode, which is never checked
# against its source as neither changes, more than halves the start of `dgdr` (1.0 → 0.4 s). Sources of extension
# modules serve nobody here, and uv's lock file is writable by everybody.
FROM build AS runtime-root
COPY hack/images/runtime.py /src/
RUN python3 runtime.py /runtime

FROM build AS init
COPY requirements/init.txt requirements/
RUN --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    uv pip install --python=/opt/dgdr --require-hashes --no-deps -r requirements/init.txt

FROM build AS controller-env
COPY requirements/controller.txt requirements/
RUN --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    uv pip install --python=/opt/dgdr --require-hashes --no-deps -r requirements/controller.txt \
 && rm /opt/dgdr/.lock \
 && find /opt/dgdr/lib -type d -name tests -prune -exec rm -rf {} + \
 && find /opt/dgdr/lib -type f \( -name '*.h' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' \) -delete \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/dgdr/lib

# 130 MB less: the packages' own tests, and bytecode of what the simulator requires and never imports.
FROM build AS profiler-env
COPY requirements/profiler.txt requirements/
RUN --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    uv pip install --python=/opt/dgdr --require-hashes --no-deps -r requirements/profiler.txt \
 && rm /opt/dgdr/.lock \
 && find /opt/dgdr/lib -type d -name tests -prune -exec rm -rf {} + \
 && find /opt/dgdr/lib -type f \( -name '*.h' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' \) -delete \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -x '/(bokeh|plotly)/' /opt/dgdr/lib

# AIPerf stands beside our environment, in one with its own versions. 40 MB less: bytecode of what runs models.
FROM build AS aiperf-env
COPY requirements/aiperf.txt requirements/
RUN --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    python3 -m venv --without-pip /opt/aiperf \
 && uv pip install --python=/opt/aiperf --require-hashes --no-deps -r requirements/aiperf.txt \
 && rm /opt/aiperf/.lock \
 && find /opt/aiperf/lib -type d -name tests -prune -exec rm -rf {} + \
 && find /opt/aiperf/lib -type f \( -name '*.h' -o -name '*.c' -o -name '*.pyx' -o -name '*.pxd' \) -delete \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -x '/transformers/models/.*/(modeling|modular)_' /opt/aiperf/lib

# 35 MB less: what runs real engines. The requirements are whole without the dependencies that ai-dynamo declares.
FROM build AS dynamo-env
COPY requirements/dynamo.txt requirements/
RUN --mount=type=secret,id=uv.env --mount=type=secret,id=ca.crt --mount=type=cache,target=/cache/uv \
    uv pip install --python=/opt/dgdr --require-hashes --no-deps -r requirements/dynamo.txt \
 && rm /opt/dgdr/.lock \
 && find /opt/dgdr/lib -type d -name tests -prune -exec rm -rf {} + \
 && find /opt/dgdr/lib -path '*/dynamo/*' -type d \( -name vllm -o -name sglang -o -name trtllm -o -name planner -o -name profiler \) -prune -exec rm -rf {} + \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/dgdr/lib

FROM build AS code
COPY pyproject.toml README.md LICENSE ./
COPY api/ api/
COPY dgdr_controller/ dgdr_controller/
RUN test -s dgdr_controller/results/static/vendor/d3.min.js || { echo "run first: python3 hack/assets.py" >&2; exit 1; }
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/build/bin/python -m pip --python /opt/dgdr/bin/python install --no-compile --no-deps --root /code /wheels/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /code /code

FROM scratch AS runtime
COPY --from=runtime-root /runtime/ /
COPY --from=init /opt/dgdr/bin/dumb-init /opt/dgdr/bin/
# No program is imported from the working directory, which can be written to.
ENV PATH=/opt/dgdr/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 HOME=/tmp
WORKDIR /tmp
USER 1000:1000
# The kernel drops a SIGTERM to process 1 that has no handler for it, as Python has none in its first second.
ENTRYPOINT ["/opt/dgdr/bin/dumb-init", "--single-child", "/opt/dgdr/bin/dgdr"]
LABEL org.opencontainers.image.version=0.1.0 org.opencontainers.image.licenses=Apache-2.0

FROM runtime AS dynamo
LABEL org.opencontainers.image.title=dgdr-dynamo
COPY --from=dynamo-env /opt/dgdr/ /opt/dgdr/
ENTRYPOINT ["/opt/dgdr/bin/dumb-init", "--single-child", "/opt/dgdr/bin/python3"]

FROM runtime AS profiler
LABEL org.opencontainers.image.title=dgdr-profiler
COPY --from=profiler-env /opt/dgdr/ /opt/dgdr/
COPY --from=code /code/ /

FROM runtime AS measurer
LABEL org.opencontainers.image.title=dgdr-measurer
COPY --from=profiler-env /opt/dgdr/ /opt/dgdr/
COPY --from=aiperf-env /opt/aiperf/ /opt/aiperf/
COPY --from=code /code/ /

FROM runtime AS controller
LABEL org.opencontainers.image.title=dgdr-controller
COPY --from=controller-env /opt/dgdr/ /opt/dgdr/
COPY --from=code /code/ /
