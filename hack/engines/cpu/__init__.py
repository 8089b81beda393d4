"""A deployment that runs on this machine: Dynamo's frontend and vLLM itself, on the CPU, with a model made here.

Parsers accept a command line; only an engine says what it makes of one. So the containers of a rendered graph are
started as they are written, and what they answer, tell each other and measure is what tests look at: ``environment``
has the programs, ``model`` makes the model, ``pods`` says what differs from a cluster, ``serve`` runs it.

What is real: Dynamo, its router and its transfer of KV caches (NIXL), and all of vLLM but the kernels of GPUs. For
these there is a build of vLLM for CPUs, of the same version, that others publish. What cannot be seen here is what
depends on a GPU: memory, speed, number formats, and how several GPUs share a worker.
"""
