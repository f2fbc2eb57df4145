"""Which CLI process serves which conversation, and when."""
