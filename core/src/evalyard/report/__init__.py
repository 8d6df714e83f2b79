"""One self-contained HTML file that shows what runs measured and where the numbers come from."""
