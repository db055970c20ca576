"""What the scripts share. Scripts import from here; nothing here imports a script."""
