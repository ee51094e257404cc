"""Who may do what, as it is stored: keys, service accounts, people, members, sessions, and what they changed."""
