//! `/`: the way to the demo, or an index of the pages.

use http::HeaderValue;
use reqwest::redirect::Policy;
use serde_json::json;

use super::start_gateway;
use crate::crypto;

fn links(page: &str) -> Vec<&str> {
    page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn leads_to_the_demo_in_development() {
    let gateway = start_gateway(|config| config.dev = true).await;
    let client = crypto::https_client().redirect(Policy::none()).build().unwrap();
    let page = client.get(format!("http://{}/", gateway.running.address())).send().await.unwrap();
    assert_eq!((page.status().as_u16(), &page.headers()["location"]), (307, &HeaderValue::from_static("demo/")));
}

#[tokio::test]
async fn lists_pages_that_exist() {
    for demo in [false, true] {
        let gateway = start_gateway(|config| config.demo_enabled = demo).await;
        let page = gateway.get("/").await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src"));
        let links = links(&page.text);
        assert_eq!((links.len(), links.contains(&"demo/")), (if demo { 6 } else { 5 }, demo));
        for link in links {
            assert_eq!(gateway.get(&format!("/{link}")).await.status, 200, "{link}");
        }
    }
}

#[tokio::test]
async fn rejects_other_methods() {
    let gateway = start_gateway(|_| ()).await;
    let refused = gateway.post("/", &json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET, HEAD"));
}
