// Decodes a frame of a client as the gateway does: to a command, or to a refusal. The test vectors of the protocol
// check that both agree.

import { CLIENT, SERVER } from "./fields.js";
import { hasHalves, isHalf, readJson } from "./json.js";

const NOT_IN_IDS = /[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const UNSEEN = /\p{Default_Ignorable_Code_Point}/u;
const BLANK = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}]*$/u;
const bytes = text => new TextEncoder().encode(text).length;

/** Returns `{ message, requestId }`, or `{ refusal }` with the fields of an `error`. */
export function readCommand(text) {
  let frame;
  try {
    frame = readJson(text);
  } catch (error) {
    return { refusal: { code: "invalid_json", message: `The frame is not JSON: ${error.message}.` } };
  }
  if (frame.type !== "object") return { refusal: invalid("", "a message is a JSON object") };
  const given = name => frame.members.filter(member => member.name === name).map(member => member.value);
  const [types, ids] = [given("type"), given("requestId")];
  const known = types.length === 1 && Object.hasOwn(CLIENT, types[0].value ?? "") ? types[0].value : undefined;
  const idProblem = ids[0] && ids[0].type !== "null" && problemOf({ kind: "Id" }, ids[0]);
  const requestId = ids.length === 1 && !idProblem ? ids[0].value : undefined;
  const refused = (refusal, inReplyTo = known) => ({ refusal: { ...refusal, inReplyTo, requestId } });

  const damaged = frame.members.find(({ name, value }) => isHalf(name) || hasHalves(value));
  if (damaged) {
    const field = isHalf(damaged.name) ? "" : damaged.name;
    const refusal = invalid(field, "half of a surrogate pair, or U+0000");
    return { refusal: { ...refusal, inReplyTo: field === "type" ? undefined : known, requestId: field === "requestId" ? undefined : requestId } };
  }
  // If one of these occurs twice, neither is used.
  for (const [name, values] of [["type", types], ["requestId", ids]]) {
    if (values.length > 1) return { refusal: invalid(name, "given twice") };
  }
  if (!types[0] || types[0].type === "null") return refused(invalid("type", "missing"));
  if (types[0].type !== "string") return refused(invalid("type", "a string is expected"));
  if (idProblem) return refused(invalid("requestId", idProblem.problem));
  if (!known) return refused({ code: "unknown_type", message: `There is no command ${JSON.stringify(types[0].value)}.` });
  const problem = problemOfFields(CLIENT[known], frame.members) ?? problemOfWhole(known, JSON.parse(text));
  if (problem) return refused(invalid(problem.field, problem.problem));
  return { message: withoutNulls(JSON.parse(text)), requestId };
}

function invalid(field, problem) {
  return { code: "invalid_message", message: `The message is invalid: ${field && `${field}: `}${problem}.`, details: { field } };
}

/** Returns the message. Throws if a gateway would never send it, because the test would not be realistic. */
export function checked(message) {
  const { members } = readJson(JSON.stringify(message));
  const problem = problemOfFields(SERVER[message.type], members);
  if (problem) throw new TypeError(`no gateway sends this ${message.type}: ${problem.field}: ${problem.problem}`);
  return message;
}

/** Removes fields that are null, which count as absent, except `data`, which may be null. */
function withoutNulls(message) {
  return Object.fromEntries(Object.entries(message).filter(([name, value]) => value !== null || name === "data"));
}

/** Returns the first problem of the members of these fields: `{ field, problem }`. */
function problemOfFields(fields, members) {
  for (const [at, { name, value }] of members.entries()) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) continue;
    if (members.slice(0, at).some(before => before.name === name)) return { field: name, problem: "given twice" };
    if (value.type === "null" && !field.required) continue;
    const found = problemOf(field, value);
    if (found) return within(name, found);
  }
  const missing = Object.keys(fields).find(name => fields[name].required && !members.some(member => member.name === name));
  return missing && { field: missing, problem: "missing" };
}

function within(outer, { field, problem }) {
  return { field: outer + (field && !field.startsWith("[") ? "." : "") + field, problem };
}

function problemOf({ kind, least, most, item, fields }, value) {
  const wrong = problem => ({ field: "", problem });
  switch (kind) {
    case "Any":
      return undefined;
    case "Flag":
      return value.type === "boolean" ? undefined : wrong("a boolean is expected");
    case "Whole": {
      const fits = /^\d+$/.test(value.written) && BigInt(value.written) >= least && BigInt(value.written) <= most;
      return fits ? undefined : wrong(`a whole number from ${least} to ${most} is expected`);
    }
    case "Data":
      if (value.type !== "object") return wrong("data is a JSON object");
      return bytes(value.written) > 8_192 ? wrong("data has at most 8192 bytes") : undefined;
    case "List":
      if (value.type !== "array") return wrong("a list is expected");
      for (const [at, one] of value.items.entries()) {
        const found = problemOf(item, one);
        if (found) return within(`[${at}]`, found);
      }
      return undefined;
    case "Object":
      return value.type === "object" ? problemOfFields(fields, value.members) : wrong("an object is expected");
    default:
      return value.type === "string" ? problemOfText(kind, value.value) : wrong("a string is expected");
  }
}

function problemOfText(kind, text) {
  const unless = (fits, problem) => (fits ? undefined : { field: "", problem });
  switch (kind) {
    case "Id": {
      if (text === "" || bytes(text) > 128) return unless(false, "an identifier has 1 to 128 bytes of UTF-8");
      if (NOT_IN_IDS.test(text)) return unless(false, "an identifier has no control characters and no white space");
      if (UNSEEN.test(text)) return unless(false, "an identifier has no zero-width characters and no bidirectional controls");
      const plain = text.match(/[A-Za-z0-9_-]/g)?.length ?? 0;
      return unless(plain + 3 * (bytes(text) - plain) <= 200, "an identifier has at most 200 bytes when percent-encoded");
    }
    case "Service":
      return unless(/^[a-z][a-z0-9_]{0,31}$/.test(text), "a service name matches [a-z][a-z0-9_]{0,31}");
    case "Content": {
      const { length } = Array.from(text);
      if (length < 1 || length > 4_000) return unless(false, "content has 1 to 4000 characters");
      return unless(!BLANK.test(text), "a character is needed that is neither white space nor zero-width");
    }
    case "Sendable":
      return unless(["TEXT", "IMAGE", "FILE"].includes(text), "messageType is TEXT, IMAGE or FILE");
    default:
      return undefined;
  }
}

/** Returns a problem that concerns several fields. */
function problemOfWhole(type, message) {
  if (type === "notification_ack") {
    const { notificationId = null, notificationIds = null } = message;
    if (notificationId === null && notificationIds === null) {
      return { field: "notificationId", problem: "notificationId or notificationIds is needed" };
    }
    const { length } = notificationIds ?? ["one"];
    if (length < 1 || length > 1_000) return { field: "notificationIds", problem: "1 to 1000 are expected" };
  }
  if (type.endsWith("_history") && (message.before ?? null) !== null && (message.after ?? null) !== null) {
    return { field: "before", problem: "either before or after, not both" };
  }
  return undefined;
}
