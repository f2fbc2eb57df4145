"""The tools that Anthropic's API carries out itself, such as web search and web fetch."""
