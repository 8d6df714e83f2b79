"""The exporter `wandb`."""
