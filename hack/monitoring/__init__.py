"""What is watched of the controller by Prometheus and Grafana, and the real Prometheus that proves it."""
