"""What the commands of the Makefile need on this machine, and how they get it; see docs/reference/pinned-inputs.md."""
