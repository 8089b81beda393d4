"""What was measured of a deployment: read from the exports of benchmarks, and put beside the estimates. Pure."""
