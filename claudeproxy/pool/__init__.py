"""The pool of CLI processes, and the queue of requests for them."""
