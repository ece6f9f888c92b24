// Parses JSON as the gateway does (RFC 8259). JSON.parse does not report duplicate names, the depth, or the original
// text of values.

/** The maximum nesting depth of objects and lists. */
const MOST_LEVELS = 64;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

/**
 * Parses a text to a value with its original text: `{ type, written }` and, by type, `value` (string), `members`
 * (object: a list of `{ name, value }`) or `items` (array). Throws a SyntaxError if the text is not JSON.
 */
export function readJson(text) {
  let at = 0;
  const match = pattern => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw new SyntaxError(`unexpected at character ${at}`);
    at += found.length;
    return found;
  };
  const next = sign => {
    match(SPACE);
    if (text[at] !== sign) return false;
    at += 1;
    return true;
  };
  const expect = sign => {
    if (!next(sign)) throw new SyntaxError(`"${sign}" is expected at character ${at}`);
  };
  const string = () => JSON.parse(match(STRING));

  function list(closing, depth, item) {
    if (depth > MOST_LEVELS) throw new SyntaxError(`nests deeper than ${MOST_LEVELS} levels`);
    const items = [];
    if (next(closing)) return items;
    do items.push(item());
    while (next(","));
    expect(closing);
    return items;
  }

  function value(depth) {
    match(SPACE);
    const begin = at;
    const read = () => {
      if (next("{")) {
        return { type: "object", members: list("}", depth + 1, () => {
          match(SPACE);
          const name = string();
          expect(":");
          return { name, value: value(depth + 1) };
        }) };
      }
      if (next("[")) return { type: "array", items: list("]", depth + 1, () => value(depth + 1)) };
      if (text[at] === '"') return { type: "string", value: string() };
      if (/[tfn]/.test(text[at] ?? "")) return { type: match(WORD) === "null" ? "null" : "boolean" };
      match(NUMBER);
      return { type: "number" };
    };
    const node = read();
    return { ...node, written: text.slice(begin, at) };
  }

  const whole = value(0);
  match(SPACE);
  if (at < text.length) throw new SyntaxError(`unexpected at character ${at}`);
  return whole;
}

const HALF = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Returns whether a string or a name anywhere in a value has an unpaired surrogate or U+0000. */
export function hasHalves({ type, value, members = [], items = [] }) {
  if (type === "string") return HALF.test(value);
  return members.some(member => HALF.test(member.name) || hasHalves(member.value)) || items.some(hasHalves);
}

/** Returns whether a name has an unpaired surrogate or U+0000. */
export const isHalf = name => HALF.test(name);
