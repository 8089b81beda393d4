pytest_plugins = ["hack.cluster.fixtures"]
