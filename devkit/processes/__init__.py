"""Child processes: started, kept alive, stopped in order, and never left behind when this process dies."""
