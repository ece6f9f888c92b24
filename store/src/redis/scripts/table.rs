//! The macro of the table of scripts.

/// Declares scripts. Each is a struct of its arguments, and a list of pieces of Lua code. The last piece is its own.
macro_rules! scripts {
    ($(
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? = $prelude:ident $($piece:literal)+ {
            $($argument:ident: $kind:ty,)*
        }
    )+) => {
        $(
            $(#[$doc])*
            pub(super) struct $name $(<$life>)? {
                $(pub(super) $argument: $kind,)*
            }

            impl $(<$life>)? Arguments for $name $(<$life>)? {
                fn script() -> &'static Script {
                    static SCRIPT: Script = Script {
                        source: LazyLock::new(|| {
                            let pieces = [$(include_str!(concat!("lua/", $piece, ".lua"))),+];
                            Source::of($prelude, <$name as Arguments>::bind, &pieces)
                        }),
                    };
                    &SCRIPT
                }

                #[allow(unused_variables, reason = "some scripts have no arguments")]
                fn bind(bindings: &mut Bindings) {
                    $(<$kind as Argument>::bind(stringify!($argument), bindings);)*
                }

                #[allow(unused_variables, reason = "some scripts have no arguments")]
                fn add(&self, request: &mut Request) {
                    $(self.$argument.add(request);)*
                }
            }
        )+

        /// All scripts, so that a new connection can load them together.
        pub(super) const ALL: &[fn() -> &'static Script] = &[$(<$name as Arguments>::script),+];

        #[cfg(test)]
        const PIECES: &[(&str, &[&str])] =
            &[$((stringify!($name), &[$(include_str!(concat!("lua/", $piece, ".lua"))),+])),+];
    };
}
