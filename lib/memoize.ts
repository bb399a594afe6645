/** Adds a private field of a derived class to an object that exists already. */
class Existing {
  constructor(object: object) {
    return object;
  }
}

/**
 * Returns a function that computes its result once for each object, and keeps it as long as the object, in a private
 * field of it. In a WeakMap, the results would survive until the next collection of V8's old generation: for each
 * bounce at the door, several KB.
 */
export function memoize<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  class Known extends Existing {
    readonly #value: V;

    constructor(key: K, value: V) {
      super(key);
      this.#value = value;
    }

    static of(key: K): V {
      if (!(#value in key)) new Known(key, compute(key));
      return (key as unknown as Known).#value;
    }
  }
  return Known.of;
}
