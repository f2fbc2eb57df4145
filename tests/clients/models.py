"""What is parsed, and what a tool takes, for the clients that take a pydantic model."""

from __future__ import annotations

from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


class GetWeather(BaseModel):
    """How warm it is."""

    city: str
