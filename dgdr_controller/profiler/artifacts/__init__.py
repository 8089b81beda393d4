"""What the profiler leaves for people beside its results: plots, raw data. Pure: results in, bytes of files out."""
