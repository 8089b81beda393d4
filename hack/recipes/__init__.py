"""The plans of 25 requests beside the deployments that people have tuned by hand for them."""
