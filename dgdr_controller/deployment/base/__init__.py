"""The user's own deployment, which the plan is put into."""
