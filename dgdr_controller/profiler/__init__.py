"""The program inside the profiling Job and behind ``dgdr plan``: from a request to judged candidates."""
