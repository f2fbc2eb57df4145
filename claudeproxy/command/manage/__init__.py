"""`service`: claudeproxy as a service of systemd or launchd."""
