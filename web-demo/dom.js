// Builds elements without markup in strings: user input is always text, never HTML.

/** An element with properties (`class`, `on…`, attributes) and children (nodes or texts). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria") && name !== "list" && name !== "form") setProperty(element, name, value);
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

function setProperty(element, name, value) {
  try {
    element[name] = value;
  } catch {
    // Some properties are read-only; their attribute can be set.
    element.setAttribute(name, value);
  }
}

/** An SVG element; presentation attributes are no inline style, so the content security policy allows them. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

let names = 0;

/** A name that is unique on this page. */
export function uniqueName(prefix) {
  names += 1;
  return `${prefix}-${names}`;
}

/** A labelled input: the wrapping element, and the input itself. */
export function field(label, properties = {}, className = "field") {
  const id = uniqueName("field");
  const input = el("input", { type: "text", autocomplete: "off", spellcheck: false, id, ...properties });
  const wrap = el("div", { class: className }, el("label", { for: id }, label), input);
  return { wrap, input };
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** A time of day, readable by machines as well. */
export function time(when) {
  const date = new Date(when);
  return el("time", { datetime: date.toISOString(), title: date.toLocaleString() }, clock.format(date));
}
