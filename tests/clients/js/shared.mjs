// What the scripts have in common: each is told by the test what to do, as JSON in its one
// argument, and prints what the client got, as JSON.

import { z } from "zod";

export const { api, url, model, text, image, stream, kind } = JSON.parse(process.argv[2]);

export const Person = z.object({ name: z.string(), age: z.number().int() });
export const Place = z.object({ city: z.string() });

export const weather = ({ city }) => `18 degrees in ${city}`;

export const print = (value) => console.log(JSON.stringify(value));

export async function collect(pieces) {
  const all = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}
