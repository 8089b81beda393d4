"""DynamoGraphDeployments: rendered from a candidate."""
