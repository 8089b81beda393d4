"""From a DynamoGraphDeploymentRequest to a running DynamoGraphDeployment."""
