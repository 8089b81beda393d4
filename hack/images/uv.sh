#!/bin/sh
# uv, with what the machine that builds says of its package registries, where it says anything.
if [ -f /run/secrets/uv.env ]; then
    . /run/secrets/uv.env
fi
exec /opt/build/bin/uv "$@"
