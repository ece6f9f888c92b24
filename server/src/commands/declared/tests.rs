//! Policies, owners, retention and validation of declared topics, and contracts that cannot be served.

use std::time::Duration;

use super::*;
use crate::{
    commands::ServiceTable,
    config::{BackendAddress, Config, DeclaredService as ServiceConfig, Secret, ServiceBackend},
};

const SCHEMA: &str = r##"{ "$defs": {
    "Move": { "oneOf": [{ "$ref": "#/$defs/Step" }, { "$ref": "#/$defs/Any" }] },
    "Step": { "type": "object", "required": ["step"], "properties": { "step": { "type": "integer", "maximum": 9 } } },
    "Any": { "type": "object", "required": ["any"] }
} }"##;

const CONTRACT: &str = r#"
name = "games"
schema = "games.schema.json"
[topics.game]
pattern = "game-{id}"
event = "Move"
publish = { type = "Step", allow = "user" }
history = { max_entries = 7, max_age = "2h" }
[topics.score]
pattern = "score-{userId}"
event = "Step"
[topics.open]
pattern = "open"
event = "Step"
subscribe = "user"
"#;

/// A folder with the contract, and the configuration that names it.
struct Setup {
    folder: tempfile::TempDir,
    config: Config,
}

impl Setup {
    fn new(contract: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("games.toml"), contract).unwrap();
        std::fs::write(folder.path().join("games.schema.json"), SCHEMA).unwrap();
        let mut config = Config::default();
        let service = ServiceConfig { contract: folder.path().join("games.toml"), backend: None };
        config.services.insert(ServiceName::new("games").unwrap(), service);
        Self { folder, config }
    }

    fn error(&self) -> String {
        read_declarations(&self.config).unwrap_err().remove(0).to_string()
    }
}

fn games() -> DeclaredService {
    DeclaredService::new(read_declarations(&Setup::new(CONTRACT).config).unwrap().remove(0), &context())
}

fn context() -> ServiceContext {
    ServiceContext {
        clock: NodeClock::default(),
        decision_times: (&Config::default().permissions).into(),
        broker: None,
        metrics: Arc::new(Metrics::new().unwrap()),
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn data(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

#[test]
fn each_action_has_its_policy_and_owner() {
    let games = games();
    let access = |action, name: &str| games.access(action, &topic(name)).map_err(|error| error.code);
    let of = |policy, owner: Option<&str>| Ok(TopicAccess { policy, owner: owner.map(|id| UserId::new(id).unwrap()) });
    assert_eq!(access(Action::Subscribe, "game-1"), of(TopicPolicy::Grants, None));
    assert_eq!(access(Action::Read, "game-1"), of(TopicPolicy::Grants, None));
    assert_eq!(access(Action::Publish, "game-1"), of(TopicPolicy::User, None));
    assert_eq!(access(Action::Subscribe, "score-a-b"), of(TopicPolicy::User, Some("a-b")));
    assert_eq!(access(Action::Subscribe, "open"), of(TopicPolicy::User, None));
    assert_eq!(access(Action::Publish, "open"), Err(ErrorCode::Forbidden));
    assert_eq!(access(Action::Subscribe, "open-1"), Err(ErrorCode::UnknownService));
    assert!(games.has_topic(&topic("game-1")) && !games.has_topic(&topic("game-")));
}

#[test]
fn retention_is_that_of_the_topic() {
    let games = games();
    let declared = TopicRetention { max_entries: Some(7), max_age: Some(Duration::from_secs(7_200)) };
    assert_eq!(games.history(&topic("game-1")), HistoryKind::Kept(declared));
    assert_eq!(games.history(&topic("open")), HistoryKind::Kept(TopicRetention::default()));
    let setup = Setup::new(&CONTRACT.replace("subscribe = \"user\"", "history = false"));
    let games = DeclaredService::new(read_declarations(&setup.config).unwrap().remove(0), &context());
    assert_eq!(games.history(&topic("open")), HistoryKind::Off);
}

#[tokio::test]
async fn data_of_clients_matches_their_type_and_the_event() {
    let games = games();
    let alice = UserId::new("alice").unwrap();
    let game = topic("game-1");
    let published = |text: &str| games.publish(&alice, &game, data(text));
    assert_eq!(published(r#"{ "step" : 1.0 }"#).await.unwrap().as_str(), r#"{ "step" : 1.0 }"#);
    for (text, pointer, keyword, sentence) in [
        (r#"{"step":10}"#, "/step", "maximum", "data: the value at /step does not match its schema (maximum)"),
        (r#"{"any":1}"#, "", "required", "data: the value does not match its schema (required: step is missing)"),
        // It matches `Step`, but two branches of the event.
        (r#"{"step":1,"any":1}"#, "", "oneOf", "data: the value does not match its schema (oneOf)"),
    ] {
        let refused = published(text).await.unwrap_err();
        let problem = refused.invalid_data.unwrap();
        assert_eq!((problem.pointer.as_str(), problem.keyword.as_str()), (pointer, keyword));
        assert_eq!(refused.message, sentence);
    }
    assert!(games.validate_event(&topic("game-1"), &data(r#"{"any":1}"#)).is_ok(), "a backend may publish any event");
    let refused = games.publish(&alice, &topic("open"), data(r#"{"step":1}"#)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
}

#[test]
fn presence_is_that_of_the_topic() {
    let games = |presence: &str| {
        let setup = Setup::new(&CONTRACT.replace("subscribe = \"user\"", presence));
        DeclaredService::new(read_declarations(&setup.config).unwrap().remove(0), &context())
    };
    let open = topic("open");
    assert_eq!(games("").presence(&open), PresenceKind::Off);
    assert_eq!(games("presence = true").presence(&open), PresenceKind::Users);
    let with_data = games("presence = \"Step\"");
    assert_eq!(with_data.presence(&open), PresenceKind::UsersWithData);
    assert!(with_data.check_presence_data(&open, &data(r#"{"step":1}"#)).is_ok());
    let refused = with_data.check_presence_data(&open, &data(r#"{"step":10}"#)).unwrap_err();
    let details: serde_json::Value = refused.details.unwrap().decode().unwrap();
    assert_eq!(details, serde_json::json!({ "field": "presenceData", "pointer": "/step", "keyword": "maximum" }));
}

#[test]
fn refuses_what_this_gateway_cannot_serve() {
    for (from, to, error) in [
        ("subscribe = \"user\"", "subscribe = \"backend\"", "line 15: `topics.open.subscribe` needs a backend"),
        ("allow = \"user\"", "allow = \"backend\"", "line 7: `topics.game.publish` needs a backend"),
        (
            "max_entries = 7",
            "max_entries = 10001",
            "line 8: `topics.game.history.max_entries` is 10001, over the limit",
        ),
        ("name = \"games\"", "name = \"chess\"", "line 2: `name` is \"chess\", and the section"),
    ] {
        assert!(CONTRACT.contains(from), "{from}");
        let found = Setup::new(&CONTRACT.replace(from, to)).error();
        assert!(found.contains(error), "{found}");
    }
    let mut setup = Setup::new(&CONTRACT.replace("max_entries = 7", "max_entries = 20000"));
    setup.config.history.limit_entries = 20_000;
    assert!(read_declarations(&setup.config).is_ok());
}

#[test]
fn reads_the_secrets_of_a_backend() {
    let mut setup = Setup::new(CONTRACT);
    let secret_file = setup.folder.path().join("secret");
    std::fs::write(&secret_file, "whsec_c2hvcnQ=").unwrap();
    let address = BackendAddress::Http { url: Secret("http://games".into()), secret_file };
    let backend = ServiceBackend { address, timeout: Duration::from_secs(2), max_in_flight: 1, claims: Vec::new() };
    let name = ServiceName::new("games").unwrap();
    setup.config.services.get_mut(&name).unwrap().backend = Some(backend);
    let error = setup.error();
    assert!(error.starts_with("services.games.backend.secret_file: ") && error.contains("line 1"), "{error}");
}

#[test]
fn service_in_code_keeps_its_name() {
    let declared = read_declarations(&Setup::new(CONTRACT).config).unwrap();
    let in_code: Vec<Arc<dyn Service>> = vec![Arc::new(games())];
    let refused = ServiceTable::new(in_code, declared.clone(), context()).unwrap_err();
    assert!(matches!(refused, DeclaredServiceError::NameTaken(name) if name.as_str() == "games"));
    assert_eq!(ServiceTable::new(Vec::new(), declared, context()).unwrap().names().len(), 1);
}

#[test]
fn reload_keeps_a_service_whose_declaration_is_the_same() {
    let games = Setup::new(CONTRACT);
    let read = |setup: &Setup| read_declarations(&setup.config).unwrap();
    let table = ServiceTable::new(Vec::new(), read(&games), context()).unwrap();
    let service = || table.get(&ServiceName::new("games").unwrap()).unwrap();
    let before = service();
    table.replace_declared(read(&games));
    assert!(Arc::ptr_eq(&before, &service()), "the decisions of its backend are kept");
    table.replace_declared(read(&Setup::new(&CONTRACT.replace("max_entries = 7", "max_entries = 8"))));
    assert!(!Arc::ptr_eq(&before, &service()));
}
