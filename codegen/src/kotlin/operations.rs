//! Writes the operations of the HTTP API: a function that describes each request, and a class with suspending functions and one with
//! futures, which send it. The package `io.github.realtimegateway.publish` has the rest of the clients.

use super::{Emitter, LANGUAGE, definitions::method, literal, member, reserved};
use crate::{
    CodegenError,
    model::{Operation, PathPart},
    names::{Scope, unreserved},
};

/// A function that describes a request.
struct Function<'a> {
    operation: &'a Operation,
    name: String,
    /// The parameters for the values in the path.
    parameters: Vec<String>,
    body: String,
    response: String,
}

impl Function<'_> {
    /// Returns the type of the result.
    fn result(&self) -> String {
        let end = if self.operation.may_be_empty { "?" } else { "" };
        format!("{}{end}", self.response)
    }

    /// Returns the parameters with their types.
    fn list(&self) -> String {
        let parameters: String = self.parameters.iter().map(|parameter| format!("{parameter}: String, ")).collect();
        format!("{parameters}body: {}", self.body)
    }

    /// Returns the call of the function that describes the request.
    fn described(&self) -> String {
        let arguments: String = self.parameters.iter().map(|parameter| format!("{parameter}, ")).collect();
        format!("{}Of({arguments}body)", self.name)
    }
}

/// Writes all operations.
pub(super) fn write(emitter: &mut Emitter<'_>) -> Result<(), CodegenError> {
    let model = emitter.model;
    let (mut methods, mut functions) = (Scope::new(LANGUAGE), Vec::new());
    for operation in &model.operations {
        let name = method(&operation.name);
        methods.add(&name, &operation.position)?;
        functions.push(write_function(emitter, operation, name)?);
    }
    write_class(emitter, &functions, "PublishOperations", "suspending functions", |function| {
        (format!("suspend fun {}({}): {}", function.name, function.list(), function.result()), "send")
    })?;
    write_class(emitter, &functions, "FuturePublishOperations", "futures", |function| {
        let result = format!("CompletableFuture<{}>", function.result());
        (format!("fun {}({}): {result}", function.name, function.list()), "begin")
    })
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
                let variable = unreserved(member(parameter), &reserved::OF_OPERATIONS);
                scope.add(&variable, &operation.position)?;
                path.push(format!("pathValue({}, {variable})", literal(&variable)));
                parameters.push(variable);
            }
        }
    }
    let (body, response) = (emitter.name(operation.body).to_owned(), emitter.name(operation.response).to_owned());
    let key = operation.idempotency_key.as_deref().map_or_else(|| "null".to_owned(), literal);
    let function = Function { operation, name, parameters, body, response };
    emitter.code.gap();
    emitter.code.line(
        0,
        &format!("private fun {}Of({}): Operation<{}> = Operation(", function.name, function.list(), function.result()),
    );
    for argument in [
        literal(&operation.method),
        path.join(" + "),
        format!("encode(serializer<{}>(), body)", function.body),
        key,
        format!("serializer<{}>()", function.result()),
    ] {
        emitter.code.line(4, &format!("{argument},"));
    }
    emitter.code.line(0, ")");
    Ok(function)
}

fn write_class(
    emitter: &mut Emitter<'_>,
    functions: &[Function<'_>],
    class: &str,
    about: &str,
    signature: impl Fn(&Function<'_>) -> (String, &'static str),
) -> Result<(), CodegenError> {
    emitter.scope.add(class, "the generated class of operations")?;
    emitter.code.gap();
    emitter.note(0, &format!("The operations with which a backend publishes, as {about}."));
    emitter.code.line(0, &format!("public abstract class {class} internal constructor() {{"));
    let (_, send) = functions.first().map_or_else(Default::default, &signature);
    let line = match send {
        "begin" => "internal abstract fun <T> begin(describe: () -> Operation<T>): CompletableFuture<T>",
        _ => "internal abstract suspend fun <T> send(operation: Operation<T>): T",
    };
    emitter.code.line(4, line);
    for function in functions {
        let operation = function.operation;
        let more = [
            operation
                .idempotency_key
                .as_ref()
                .map(|key| format!("Without `{}` it makes one, so that it can be repeated.", member(key))),
            operation.may_be_empty.then(|| "The result is null for an answer without a body.".to_owned()),
        ];
        emitter.code.gap();
        emitter.comment(4, &operation.notes, &more.into_iter().flatten().collect::<Vec<_>>());
        let (signature, send) = signature(function);
        let described = function.described();
        // A future has the error of a wrong argument, too.
        let call = if send == "begin" { format!("begin {{ {described} }}") } else { format!("send({described})") };
        emitter.code.line(4, &format!("public {signature} ="));
        emitter.code.line(8, &call);
    }
    emitter.code.line(0, "}");
    Ok(())
}
