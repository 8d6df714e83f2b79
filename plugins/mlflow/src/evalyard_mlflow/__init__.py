"""The exporter `mlflow`."""
