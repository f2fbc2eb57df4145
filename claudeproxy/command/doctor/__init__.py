"""`doctor`: looks at this installation, and says what is wrong and what to do."""
