"""What is parsed, for the clients that take a pydantic model."""

from __future__ import annotations

from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int
