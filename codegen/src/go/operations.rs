//! Writes the operations of the HTTP API: methods of the client of the Go package `publish`.

use super::{
    Emitter, LANGUAGE,
    format::literal,
    handles::method,
    names::{exported, unexported},
    reserved,
};
use crate::{
    CodegenError,
    model::{Operation, PathPart},
    names::{Scope, unreserved},
};

/// Writes all operations.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    let mut methods = Scope::new(LANGUAGE);
    for operation in &model.operations {
        let name = exported(&operation.name);
        methods.add(&name, &operation.position)?;
        write_operation(emitter, operation, &name)?;
    }
    Ok(())
}

fn write_operation(emitter: &mut Emitter<'_>, operation: &Operation, name: &str) -> Result<(), CodegenError> {
    emitter.imports.insert("context");
    let (body, response) = (emitter.name(operation.body).to_owned(), emitter.name(operation.response).to_owned());
    let (mut scope, mut parameters, mut path) = (Scope::new(LANGUAGE), Vec::new(), Vec::new());
    for part in &operation.path {
        match part {
            PathPart::Literal(text) => path.push(literal(text)),
            PathPart::Parameter(parameter) => {
                emitter.imports.insert("net/url");
                let variable =
                    unreserved(unreserved(unexported(parameter), &reserved::WORDS), &reserved::OF_OPERATIONS);
                scope.add(&variable, &operation.position)?;
                path.push(format!("url.PathEscape({variable})"));
                parameters.push(variable);
            }
        }
    }
    let mut lines = Vec::new();
    if let Some(key) = &operation.idempotency_key {
        let member = exported(key);
        lines.extend([format!("if body.{member} == \"\" {{"), format!("\tbody.{member} = newID()"), "}".to_owned()]);
    }
    let verb = literal(&operation.method);
    lines.push(format!("return send[{response}](ctx, c, {verb}, {}, body)", path.join("+")));
    let parameters = if parameters.is_empty() { String::new() } else { format!("{} string, ", parameters.join(", ")) };
    let mut comment = operation.notes.description.clone().unwrap_or_default();
    if let Some(key) = &operation.idempotency_key {
        comment.push_str(&format!("\n\nWithout {} it makes one, so that it can be repeated.", exported(key)));
    }
    if operation.may_be_empty {
        comment.push_str(&format!("\n\nIt returns nil instead of a {response} for an answer without a body."));
    }
    let signature = format!("(c *Client) {name}(ctx context.Context, {parameters}body {body}) (*{response}, error)");
    method(emitter, &comment, &signature, &lines);
    Ok(())
}
