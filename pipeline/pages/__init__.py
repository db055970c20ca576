"""The pages of the dashboard. Each is a Dash app of its own under its path, within the same frame (frame.py)."""
