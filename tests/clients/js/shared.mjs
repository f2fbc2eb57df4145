// What the scripts have in common: each is told by the test what to do, as JSON in its one
// argument, and prints what the client got, as JSON.

import { z } from "zod";

export const { api, url, model, text, image, stream, kind, form } = JSON.parse(process.argv[2]);

export const Person = z.object({ name: z.string(), age: z.number().int() });
export const Picky = z.object({ name: z.string(), age: z.number().int().max(30) });
export const Colour = ["green", "red"];
export const Place = z.object({ city: z.string() });

export const weather = ({ city }) => `18 degrees in ${city}`;

export const print = (value) => console.log(JSON.stringify(value));

// What a client says is wrong: the names of the classes, as its users write them, and the rest.
export function fault(error) {
  const { status, code, message } = error;
  return { name: error.constructor.name, status, code, message };
}

export async function collect(pieces) {
  const all = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}
