"""How a request is read and answered: connection, access, body, lifetime, route, response."""
