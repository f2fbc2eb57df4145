"""The HTTP server: routes, access, connections and exchanges."""
