"""What a lesson costs on the real mesh, beside bare RPCs and bare commits on the same machine."""
