"""The status page: what it shows, its data, and the events that keep it up to date."""
