"""Who is let in: the one door through which every request passes, and the table of what each route asks for."""
