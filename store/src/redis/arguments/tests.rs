//! The names that arguments get in Lua.

use super::*;

#[test]
fn names_arguments_in_order_of_their_values() {
    let mut bindings = Bindings::starting_at(2);
    <&str>::bind("topic", &mut bindings);
    u64::bind("window", &mut bindings);
    List::<RecipientArguments>::bind("recipients", &mut bindings);
    let (code, names) = bindings.into_parts();
    assert_eq!(names, ["topic", "window", "recipients"]);
    assert!(code.starts_with("local topic = ARGV[2]\nlocal window = tonumber(ARGV[3])\nlocal function recipients()\n"));
    // The first row begins at 4, and each has eight fields.
    assert!(code.contains("local index, row = 4, {}"), "{code}");
    assert!(code.contains("index = index + 8"), "{code}");
    assert!(code.contains("row.user, row.shard, row.is_subscribed, row.event_id"), "{code}");
}

#[test]
fn names_single_values_of_a_list() {
    let mut bindings = Bindings::starting_at(4);
    List::<Shard>::bind("shards", &mut bindings);
    let code = bindings.into_parts().0;
    let expected = "local function shards()\n  local index = 3\n  return function() index = index + 1 return \
                    ARGV[index] end\nend\n";
    assert_eq!(code, expected);
}
