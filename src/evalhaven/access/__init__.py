"""Who may do what, as rules: permissions and roles, the form of keys, callers. Nothing is read or stored here."""
