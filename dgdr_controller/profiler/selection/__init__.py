"""Which candidate is deployed, and why: judge, choose, explain. Pure."""
