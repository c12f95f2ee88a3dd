"""Ways in: Python, command line, REST, web pages. Each is made from the service table."""
