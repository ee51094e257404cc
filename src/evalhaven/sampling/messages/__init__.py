"""An item's messages: templates, trajectories, images, sound and files."""
