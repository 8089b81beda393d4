"""A stand-in for Dynamo's operator on local clusters, with Dynamo's own frontend and its simulated engine."""
