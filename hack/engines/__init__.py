"""What the programs of a deployment know on their command lines, asked of their own argument parsers.

A rendered flag that its engine does not know ends the pod, hours after the search. So the parsers themselves are asked:
``wheels`` gets the published packages, ``inside`` runs their parsers in a process of its own, ``known`` holds what
they said in committed files, which is what tests compare rendered command lines with.

``python -m hack.engines`` writes those files, ``python -m hack.engines check`` says which are stale. Both need 2.8 GB
of wheels the first time; tests that read the files need nothing.

Dynamo's newest release is asked for all that it knows. The newest patch of each earlier minor release is asked as well,
since a user may name its images: of what it knows, only flags that may be rendered are kept, in a folder of its own.

What is real: every line of argument code of Dynamo, vLLM and SGLang, at the versions that Dynamo pins. What is stood in
for: packages that need a GPU or a compiler, and modules of the engines that are kernels (``programs`` lists both).
TensorRT-LLM publishes no wheel where the others do, so only Dynamo's own parser of its command line is asked; what it
passes on (``--trtllm.…``) no parser knows. SGLang before 0.5.21 also works out the settings that depend on the model
and the GPU while it parses; that part is left out, with what it refuses.

A step further, in an environment of its own (``requirements/engines.txt``, 5 GB on disk, x86_64 alone): ``validate``
lets vLLM and SGLang themselves work out the config that they would start with, from the words, the model's config and
the GPU, which ``gpu`` stands in for. ``plans`` holds what the planner made of the requests of the matrix and the
recipes, ``containers`` renders it, and ``test/deployment/render/test_engine_configs.py`` compares.
"""
