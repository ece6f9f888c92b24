// Takes the words out of Rust's panics: `node quiet-panics.js in.wasm out.wasm`.
//
// In a browser nothing reads them: a panic ends as a trap either way, and the glue reports it to the app. Without them the
// functions that compose them, and the paths of source files, have no use. (A compiler flag does the same, but only for a
// standard library that is built from source.)

import { readFileSync, writeFileSync } from "node:fs";
import binaryen from "binaryen";

/** The functions that a panic goes through, as the compiler names them: what each does is to compose text and abort. */
const PANICS = [
  /4core9panicking\d/, /3std9panicking15panic_with_hook$/, /rust_begin_unwind$/, /5slice5index16slice_index_fail$/,
  /4core6result13unwrap_failed$/, /4core6option13(unwrap|expect)_failed$/, /3Vec.*13assert_failed$/, /7raw_vec17capacity_overflow$/,
  /7raw_vec12handle_error$/, /3str16slice_error_fail/, /5alloc18handle_alloc_error$/, /Fallibility17capacity_overflow$/,
];

const [, , from, to] = process.argv;
const module = binaryen.readBinary(readFileSync(from));
const silenced = [];
for (let index = 0; index < module.getNumFunctions(); index += 1) {
  const reference = module.getFunctionByIndex(index);
  const { name, base } = binaryen.getFunctionInfo(reference);
  if (base || !PANICS.some(pattern => pattern.test(name.replace(/17h[0-9a-f]{16}E$/, "")))) continue;
  binaryen.Function.setBody(reference, module.unreachable());
  silenced.push(name);
}
if (!silenced.some(name => name.includes("panic_fmt"))) {
  throw new Error(`no function of ${from} is named panic_fmt: the compiler names its panics differently now, see PANICS`);
}

/** The paths of source files, as panics name them; nothing else reads them, and they show who built this where. */
const PATHS = /(?:\/rustc\/[0-9a-f]{40}|\/rust\/deps|\/(?:[\w.-]+\/)*registry\/src|sdk-(?:c|core|wasm)\/src|protocol\/src)\/[\w./-]+\.rs(?=\0)/g;
const binary = Buffer.from(module.emitBinary()).toString("latin1");
writeFileSync(to, Buffer.from(binary.replace(PATHS, path => "\0".repeat(path.length)), "latin1"));
