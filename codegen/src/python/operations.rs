//! Writes the operations of the HTTP API: a function that describes each request, and a class for asyncio and one for threads, whose
//! methods send it. The package `gateway.publish` has the rest of the client.

use super::{Emitter, LANGUAGE, literal, reserved};
use crate::{
    CodegenError,
    model::{Operation, PathPart, Shape, Type},
    names::{Scope, snake, unreserved},
};

/// The classes with a method for each operation: the name, what it inherits, what it is for, and the words before a method and before
/// its call.
const CLASSES: [(&str, &str, &str, &str, &str); 2] = [
    ("Operations", "operation.Sender", "asyncio", "async ", "await "),
    ("SyncOperations", "operation.SyncSender", "programs without an event loop", "", ""),
];

/// A function that describes a request.
struct Function<'a> {
    operation: &'a Operation,
    name: String,
    /// The parameters for the values in the path.
    parameters: Vec<String>,
    body: String,
    result: String,
}

/// Writes all operations.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    let (mut methods, mut functions) = (Scope::new(LANGUAGE), Vec::new());
    for operation in &model.operations {
        let name = unreserved(snake(&operation.name), &reserved::WORDS);
        methods.add(&name, &operation.position)?;
        emitter.scope.add(&format!("_{name}"), &operation.position)?;
        functions.push(write_function(emitter, operation, name)?);
    }
    for (class, parent, about, before, call) in CLASSES {
        emitter.scope.add(class, "the generated class of operations")?;
        emitter.begin();
        emitter.code.line(0, &format!("class {class}({parent}):"));
        emitter.note(4, &format!("The operations with which a backend publishes, for {about}."));
        for function in &functions {
            write_method(emitter, function, before, call);
        }
    }
    Ok(())
}

fn write_function<'a>(
    emitter: &mut Emitter<'_>,
    operation: &'a Operation,
    name: String,
) -> Result<Function<'a>, CodegenError> {
    let (mut scope, mut parameters, mut path) = (Scope::new(LANGUAGE), Vec::new(), Vec::new());
    for part in &operation.path {
        match part {
            PathPart::Literal(text) => path.push(literal(text)),
            PathPart::Parameter(parameter) => {
                let variable = unreserved(unreserved(snake(parameter), &reserved::WORDS), &reserved::OF_OPERATIONS);
                scope.add(&variable, &operation.position)?;
                path.push(format!("operation.path_value({}, {variable})", literal(&variable)));
                parameters.push(variable);
            }
        }
    }
    let (sent, received) = (Type::Named(operation.body), Type::Named(operation.response));
    let (body, decoder) = (emitter.written(&sent), emitter.decoder(&received));
    let response = emitter.written(&received);
    let (result, decoder) = if operation.may_be_empty {
        (format!("{response} | None"), format!("codec.nullable({decoder})"))
    } else {
        (response, decoder)
    };
    let checked = match &emitter.model.definition(operation.body).shape {
        Shape::Object(_) => format!("operation.checked({body}, body)"),
        _ => "body".to_owned(),
    };
    let key = operation.idempotency_key.as_deref().map_or_else(|| "None".to_owned(), literal);
    let function = Function { operation, name, parameters, body, result };
    emitter.begin();
    let line = format!("def _{}({}) -> operation.Operation[{}]:", function.name, list(&function), function.result);
    emitter.code.line(0, &line);
    emitter.code.line(4, &format!("path = {}", path.join(" + ")));
    emitter.code.line(4, &format!("members = {}", emitter.encoded(&sent, &checked)));
    let verb = literal(&operation.method);
    emitter.code.line(4, &format!("return operation.Operation({verb}, path, members, {key}, {decoder})"));
    Ok(function)
}

/// Returns the parameters with their types.
fn list(function: &Function<'_>) -> String {
    let parameters: String = function.parameters.iter().map(|parameter| format!("{parameter}: str, ")).collect();
    format!("{parameters}body: {}", function.body)
}

fn write_method(emitter: &mut Emitter<'_>, function: &Function<'_>, before: &str, call: &str) {
    let Function { operation, name, parameters, result, .. } = function;
    let notes = [
        operation
            .idempotency_key
            .as_ref()
            .map(|key| format!("Without `{}` it makes one, so that it can be repeated.", snake(key))),
        operation.may_be_empty.then(|| "The result is None for an answer without a body.".to_owned()),
        Some("Raises PublishError.".to_owned()),
    ];
    emitter.code.line(0, "");
    emitter.code.line(4, &format!("{before}def {name}(self, {}) -> {result}:", list(function)));
    emitter.docstring(8, &operation.notes, &notes.into_iter().flatten().collect::<Vec<_>>());
    let arguments: String = parameters.iter().map(|parameter| format!("{parameter}, ")).collect();
    emitter.code.line(8, &format!("return {call}self._send(_{name}({arguments}body))"));
}
