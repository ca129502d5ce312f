"""How a request is read, worked on and answered: connection, access, body, lifetime, route, response."""
