"""The HTTP server: what every request passes, and the control routes under `/_sandbox`."""
