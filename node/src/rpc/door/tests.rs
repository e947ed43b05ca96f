use super::*;
use crate::config::Anonymous;

fn door(change: impl FnOnce(&mut RpcConfig)) -> Result<Door, DoorError> {
    let mut config = RpcConfig::default();
    change(&mut config);
    Door::new(&config, Path::new("/nonexistent"))
}

/// What becomes of a GET of `/status` from this peer with these headers: the client's role, or the refusal's status.
fn enter(door: &Door, peer: &str, headers: &[(&str, &str)]) -> Result<(Who, &'static str), u16> {
    let mut request = Request::get("/status");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let connection = Connection { peer: Some(peer.parse().unwrap()), manners: Arc::default() };
    let clients = Clients::new(&RpcConfig::default());
    let caller = door.enter(&request.body(()).unwrap(), &connection, &clients);
    let caller = caller.map_err(|refusal| refusal.status.as_u16())?;
    let highest = [Role::Admin, Role::Submit, Role::Read].into_iter().find(|role| caller.may(*role).is_ok());
    Ok((caller.who().clone(), highest.map_or("none", Role::name)))
}

fn role(door: &Door, peer: &str, headers: &[(&str, &str)]) -> Result<&'static str, u16> {
    enter(door, peer, headers).map(|(_, role)| role)
}

#[test]
fn admin_methods_are_not_open_to_a_network() {
    let public = |anonymous| door(|c| (c.listen, c.anonymous) = ("0.0.0.0:1".parse().unwrap(), anonymous));
    let error = public(Anonymous::Admin).err().unwrap();
    assert_eq!(error.key, "rpc.listen");
    assert!(error.reason.contains("rpc.anonymous"), "{error}");
    for anonymous in [Anonymous::None, Anonymous::Read, Anonymous::Submit] {
        assert!(public(anonymous).is_ok());
    }
    assert!(door(|c| c.listen = "[::1]:1".parse().unwrap()).is_ok());
}

#[test]
fn a_node_on_loopback_answers_to_its_own_names() {
    let door = door(|c| c.hosts = vec!["Node.example".into()]).unwrap();
    for host in
        ["localhost:26657", "127.0.0.1:26657", "[::1]:26657", "127.0.0.2", "node.example:80", "NODE.example"]
    {
        assert!(role(&door, "127.0.0.1", &[("host", host)]).is_ok(), "{host}");
    }
    for host in ["evil.example:26657", "localhost.evil.example", "10.0.0.1", ""] {
        assert_eq!(role(&door, "127.0.0.1", &[("host", host)]), Err(403), "{host}");
    }
    let public =
        self::door(|c| (c.listen, c.anonymous) = ("0.0.0.0:1".parse().unwrap(), Anonymous::Read)).unwrap();
    assert_eq!(role(&public, "10.0.0.9", &[("host", "any.example")]), Ok("read"));
}

#[test]
fn web_pages_ask_if_their_origin_is_listed() {
    let door = door(|c| c.origins = vec!["https://app.example".into()]).unwrap();
    let ask = |origin: &str| role(&door, "127.0.0.1", &[("host", "localhost:1"), ("origin", origin)]);
    assert_eq!(ask("https://app.example"), Ok("admin"));
    assert_eq!(ask("http://localhost:1"), Ok("admin"));
    for origin in ["https://evil.example", "null", "https://app.example.evil", "http://localhost:2"] {
        assert_eq!(ask(origin), Err(403), "{origin}");
    }
}

#[test]
fn what_a_page_gets_without_naming_itself_is_refused_as_well() {
    let ask = |door: &Door, site: &str| {
        role(door, "127.0.0.1", &[("host", "localhost:1"), ("sec-fetch-site", site)])
    };
    let listed = door(|c| c.origins = vec!["https://app.example".into()]).unwrap();
    assert_eq!((ask(&listed, "cross-site"), ask(&listed, "same-site")), (Err(403), Err(403)));
    assert_eq!((ask(&listed, "same-origin"), ask(&listed, "none")), (Ok("admin"), Ok("admin")));
    let all = door(|c| c.origins = vec!["*".into()]).unwrap();
    assert_eq!(ask(&all, "cross-site"), Ok("submit"));
}

#[test]
fn a_node_beyond_loopback_without_names_is_warned_of() {
    let advice = |listen: &str, hosts: &[&str]| {
        let config = RpcConfig {
            listen: listen.parse().unwrap(),
            anonymous: Anonymous::Read,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..RpcConfig::default()
        };
        Door::new(&config, Path::new("/nonexistent")).unwrap().advice(&config)
    };
    assert!(advice("0.0.0.0:1", &[]).is_some_and(|advice| advice.contains("rpc.hosts")));
    assert_eq!((advice("0.0.0.0:1", &["node.example"]), advice("127.0.0.1:1", &[])), (None, None));
}

#[test]
fn a_page_that_is_let_in_because_all_are_is_no_admin() {
    let door = door(|c| c.origins = vec!["*".into(), "https://app.example".into()]).unwrap();
    let ask = |origin: &str| role(&door, "127.0.0.1", &[("host", "localhost:1"), ("origin", origin)]);
    assert_eq!(ask("https://any.example"), Ok("submit"));
    assert_eq!((ask("https://app.example"), ask("http://localhost:1")), (Ok("admin"), Ok("admin")));
}

#[test]
fn nobody_is_admin_through_a_proxy_without_a_key() {
    let door = door(|c| c.proxies = vec!["127.0.0.1".into()]).unwrap();
    let (who, role) = enter(&door, "127.0.0.1", &[("x-forwarded-for", "198.51.100.7")]).unwrap();
    assert_eq!((who, role), (Who::at("198.51.100.7".parse().unwrap()), "submit"));
    assert_eq!(enter(&door, "127.0.0.1", &[]).unwrap().1, "submit");
    let unknowing = self::door(|_| ()).unwrap();
    let (who, role) = enter(&unknowing, "127.0.0.1", &[("x-forwarded-for", "198.51.100.7")]).unwrap();
    assert_eq!((who, role), (Who::at("127.0.0.1".parse().unwrap()), "submit"), "not told to trust it");
    assert_eq!(enter(&unknowing, "127.0.0.1", &[]).unwrap().1, "admin");
}

#[test]
fn a_key_gives_its_role_and_a_wrong_one_none() {
    let directory = tempfile::tempdir().unwrap();
    let file = "[[key]]\nname = 'a'\nrole = 'submit'\nsha256 = '".to_owned()
        + &althing_crypto::sha256(b"secret").to_string()
        + "'\n";
    std::fs::write(directory.path().join("keys.toml"), file).unwrap();
    let config =
        RpcConfig { keys: Some("keys.toml".into()), anonymous: Anonymous::None, ..RpcConfig::default() };
    let door = Door::new(&config, directory.path()).unwrap();
    let ask = |value: &str| enter(&door, "127.0.0.1", &[("authorization", value)]);
    assert_eq!(ask("Bearer secret"), Ok((Who::Key("a".into()), "submit")));
    assert_eq!(ask("bearer  secret "), Ok((Who::Key("a".into()), "submit")));
    for wrong in ["Bearer wrong", "Bearer ", "Basic secret", "secret", ""] {
        assert_eq!(ask(wrong), Err(401), "{wrong}");
    }
    assert_eq!(role(&door, "127.0.0.1", &[]), Ok("none"));
    let missing = self::door(|c| c.keys = Some("keys.toml".into())).err().unwrap();
    assert!(missing.to_string().contains("rpc.keys: /nonexistent/keys.toml"), "{missing}");
}

#[test]
fn who_guesses_keys_is_told_to_wait() {
    let door = door(|_| ()).unwrap();
    let clients = Clients::new(&RpcConfig { client_cost_per_s: 100, ..RpcConfig::default() });
    let connection = Connection { peer: Some([127, 0, 0, 1].into()), manners: Arc::default() };
    let request = || Request::get("/").header("authorization", "Bearer guess").body(()).unwrap();
    let status = || door.enter(&request(), &connection, &clients).err().unwrap().status.as_u16();
    assert!((0..20).map(|_| status()).any(|status| status == 429));
}
