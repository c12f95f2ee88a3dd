/** All state of a view lives in its address. A spec names the fields; `read` and `write` are inverse. */
import type { Filters } from "../api/types";

export interface Field<T> {
  initial: T;
  read(name: string, params: URLSearchParams): T;
  write(name: string, value: T, params: URLSearchParams): void;
}
export type Spec = Record<string, Field<any>>;
export type PlaceOf<S extends Spec> = { [K in keyof S]: S[K] extends Field<infer T> ? T : never };

export const text = (initial = ""): Field<string> => ({
  initial,
  read: (name, params) => params.get(name) ?? initial,
  write: (name, value, params) => value !== initial && params.set(name, value),
});

/** A whole number at or above `least`; anything else in the address reads as `initial`. */
export const whole = <T extends number | null>(initial: T, least = 0): Field<T | number> => ({
  initial,
  read: (name, params) => {
    const given = params.get(name);
    if (given === null || !/^\d{1,9}$/.test(given)) return initial;
    const value = Number(given);
    return value < least ? initial : value;
  },
  write: (name, value, params) => value !== initial && value !== null && params.set(name, String(value)),
});

export const flag = (initial = false): Field<boolean> => ({
  initial,
  read: (name, params) => (params.has(name) ? params.get(name) === "1" : initial),
  write: (name, value, params) => value !== initial && params.set(name, value ? "1" : "0"),
});

export const choice = <const T extends string>(options: readonly T[], initial: NoInfer<T>): Field<T> => ({
  initial,
  read: (name, params) => options.find((o) => o === params.get(name)) ?? initial,
  write: (name, value, params) => value !== initial && params.set(name, value),
});

/** Repeated parameters, so that values may hold commas. Doubles are dropped, order is kept. */
export const list = (): Field<string[]> => ({
  initial: [],
  read: (name, params) => [...new Set(params.getAll(name))],
  write: (name, value, params) => value.forEach((v) => params.append(name, v)),
});

/** Values by field: `name.field=value`, repeated. */
export const filters = (): Field<Filters> => ({
  initial: {},
  read: (name, params) => {
    const found: Filters = {};
    for (const [key, value] of params) {
      if (!key.startsWith(`${name}.`)) continue;
      const field = key.slice(name.length + 1);
      const values = (found[field] ??= []);
      if (!values.includes(value)) values.push(value);
    }
    return found;
  },
  write: (name, value, params) => {
    for (const [field, values] of Object.entries(value)) values.forEach((v) => params.append(`${name}.${field}`, v));
  },
});

export function read<S extends Spec>(spec: S, search: string): PlaceOf<S> {
  const params = new URLSearchParams(search);
  return Object.fromEntries(Object.entries(spec).map(([name, field]) => [name, field.read(name, params)])) as PlaceOf<S>;
}

/** The query string without `?`; fields at their initial value are left out. */
export function write<S extends Spec>(spec: S, place: Partial<PlaceOf<S>>): string {
  const params = new URLSearchParams();
  for (const [name, field] of Object.entries(spec))
    if (name in place && place[name] !== undefined) field.write(name, place[name], params);
  return params.toString();
}

/** An address to link to. */
export function href<S extends Spec>(path: string, spec: S, place: Partial<PlaceOf<S>> = {}): string {
  const search = write(spec, place);
  return search ? `${path}?${search}` : path;
}
