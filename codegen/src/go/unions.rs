//! Writes unions: a struct whose value is a pointer to one of the branches.

use super::{Emitter, format::literal};
use crate::{
    CodegenError,
    model::{Definition, TypeId, Union},
};

/// The longest signature that gofmt leaves in one line with an empty body, in characters.
const MAX_ONE_LINE: usize = 100;

/// Writes a union.
pub(super) fn write(
    emitter: &mut Emitter<'_>,
    id: TypeId,
    definition: &Definition,
    union: &Union,
) -> Result<(), CodegenError> {
    emitter.imports.extend(["encoding/json", "errors"]);
    let name = emitter.name(id).to_owned();
    let (interface, unknown) = (format!("{name}Branch"), format!("Unknown{name}"));
    emitter.scope.add(&interface, &definition.position)?;
    let mut branches: Vec<_> = union.branches.iter().map(|branch| emitter.name(branch.value).to_owned()).collect();
    if !union.is_closed {
        emitter.scope.add(&unknown, &definition.position)?;
        branches.push(unknown.clone());
    }
    let pointers: Vec<String> = branches.iter().map(|branch| format!("*{branch}")).collect();
    emitter.comment(&definition.notes, &[]);
    emitter.code.line(0, &format!("type {name} struct {{"));
    emitter.code.line(0, &format!("\t// Value is one of {}.", pointers.join(", ")));
    emitter.code.line(0, &format!("\tValue {interface}"));
    emitter.code.line(0, "}");
    emitter.code.line(0, "");
    emitter.note(&format!("{interface} is a pointer to a branch of {name}."));
    emitter.code.line(0, &format!("type {interface} interface{{ is{name}() }}"));
    for branch in &branches {
        emitter.code.line(0, "");
        let signature = format!("func (*{branch}) is{name}()");
        if signature.len() <= MAX_ONE_LINE {
            emitter.code.line(0, &format!("{signature} {{}}"));
        } else {
            emitter.code.line(0, &format!("{signature} {{"));
            emitter.code.line(0, "}");
        }
    }
    write_marshal(emitter, &name);
    write_unmarshal(emitter, &name, union);
    if !union.is_closed {
        write_unknown(emitter, &name, &unknown);
    }
    Ok(())
}

fn write_marshal(emitter: &mut Emitter<'_>, name: &str) {
    emitter.code.line(0, "");
    emitter.note("MarshalJSON writes the branch.");
    emitter.code.line(0, &format!("func (v {name}) MarshalJSON() ([]byte, error) {{"));
    emitter.code.line(0, "\tif v.Value == nil {");
    emitter.code.line(0, &format!("\t\treturn nil, errors.New(\"{name} has no Value\")"));
    emitter.code.line(0, "\t}");
    emitter.code.line(0, "\treturn json.Marshal(v.Value)");
    emitter.code.line(0, "}");
}

fn write_unmarshal(emitter: &mut Emitter<'_>, name: &str, union: &Union) {
    emitter.code.line(0, "");
    emitter.note(&format!("UnmarshalJSON reads the branch that the member {} selects.", literal(&union.tag)));
    emitter.code.line(0, &format!("func (v *{name}) UnmarshalJSON(text []byte) error {{"));
    emitter.code.line(0, &format!("\tswitch tag := tagOf(text, {}); tag {{", literal(&union.tag)));
    for branch in &union.branches {
        let value = emitter.name(branch.value).to_owned();
        emitter.code.line(0, &format!("\tcase {}:", literal(&branch.word)));
        emitter.code.line(0, &format!("\t\tv.Value = new({value})"));
    }
    emitter.code.line(0, "\tdefault:");
    if union.is_closed {
        emitter.imports.insert("fmt");
        emitter.code.line(0, &format!("\t\treturn fmt.Errorf(\"{name} has no branch %q\", tag)"));
    } else {
        emitter.code.line(0, &format!("\t\tv.Value = new(Unknown{name})"));
    }
    emitter.code.line(0, "\t}");
    emitter.code.line(0, "\treturn json.Unmarshal(text, v.Value)");
    emitter.code.line(0, "}");
}

/// Writes the branch for what the file does not know.
fn write_unknown(emitter: &mut Emitter<'_>, name: &str, unknown: &str) {
    emitter.code.line(0, "");
    emitter
        .note(&format!("{unknown} is a branch of {name} that this file does not know. It is written as it was read."));
    emitter.code.line(0, &format!("type {unknown} struct {{"));
    emitter.code.line(0, "\tRaw json.RawMessage");
    emitter.code.line(0, "}");
    emitter.code.line(0, "");
    emitter.note("MarshalJSON writes what was read.");
    emitter.code.line(0, &format!("func (v {unknown}) MarshalJSON() ([]byte, error) {{"));
    emitter.code.line(0, "\treturn v.Raw.MarshalJSON()");
    emitter.code.line(0, "}");
    emitter.code.line(0, "");
    emitter.note("UnmarshalJSON keeps the text.");
    emitter.code.line(0, &format!("func (v *{unknown}) UnmarshalJSON(text []byte) error {{"));
    emitter.code.line(0, "\treturn v.Raw.UnmarshalJSON(text)");
    emitter.code.line(0, "}");
}
