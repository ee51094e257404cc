"""What Evalhaven is made of: its pinned packages, their licences, and what is known against them."""
