"""A stand-in for Dynamo on local clusters."""
