"""DynamoGraphDeployments in both API versions."""
