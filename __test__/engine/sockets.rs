//! Sockets: TCP, unix sockets and TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hfxbus::redis_io::connection::Connection;
use hfxbus::redis_io::connection::tls::check;
use hfxbus::redis_io::error::{RedisError, RedisErrorKind};
use hfxbus::redis_io::link::Link;
use hfxbus::redis_io::options::{Endpoint, LinkOptions, TlsOptions};
use hfxbus::redis_io::resp::Value;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

use crate::support::{Engine, FakeServer, Replies, Retries, Server, ask, options, until};

fn connect(engine: &Engine, options: LinkOptions, policy: &Arc<Retries>) -> Arc<Connection> {
    Connection::new(options.into(), policy.clone(), Arc::new(Replies::default()), engine.handle())
}

/// Returns the error of a connection with these options.
fn failure(options: LinkOptions) -> RedisError {
    let (engine, policy) = (Engine::start(), Retries::always());
    let link = connect(&engine, options, &policy);
    until("a failure", || policy.reason().is_some());
    link.close();
    policy.reason().unwrap()
}

#[test]
fn a_unix_socket_works_like_tcp() {
    let server = Server::with(&["--unixsocket", "{dir}/redis.sock"]);
    let path = server.directory().join("redis.sock").display().to_string();
    let (engine, policy) = (Engine::start(), Retries::always());
    let link =
        connect(&engine, LinkOptions { endpoint: Endpoint::Unix(path.clone()), ..options(0) }, &policy);
    let large = "x".repeat(3_000_000);
    assert!(ask(&engine, link.as_ref(), &["SET", "a", &large]).is_ok());
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "a"]), Ok(Value::Bulk(large.into_bytes())));
    assert_eq!(&*link.node(), path);
}

#[test]
fn host_names_and_socket_options_are_applied() {
    let (server, engine, policy) = (Server::start(), Engine::start(), Retries::always());
    for family in [0, 4] {
        let endpoint = Endpoint::Tcp { host: "localhost".to_owned(), port: server.port, family };
        let keep_alive = Some(Duration::from_millis(5));
        let link =
            connect(&engine, LinkOptions { endpoint, keep_alive, no_delay: false, ..options(0) }, &policy);
        assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    }
}

#[test]
fn failures_have_the_codes_and_messages_of_node() {
    let closed = Server::prepare(&[]).port;
    let refused = failure(options(closed));
    assert_eq!((refused.kind, refused.code.as_deref()), (RedisErrorKind::Connect, Some("ECONNREFUSED")));
    assert_eq!(refused.message.as_ref(), format!("connect ECONNREFUSED 127.0.0.1:{closed}"));
    let missing = failure(LinkOptions { endpoint: Endpoint::Unix("/no/such.sock".to_owned()), ..options(0) });
    assert_eq!(missing.message.as_ref(), "connect ENOENT /no/such.sock");
    let host = "no.such.host.invalid".to_owned();
    let unknown = failure(LinkOptions { endpoint: Endpoint::Tcp { host, port: 1, family: 4 }, ..options(0) });
    assert_eq!(unknown.code.as_deref(), Some("ENOTFOUND"));
    assert_eq!(unknown.message.as_ref(), "getaddrinfo ENOTFOUND no.such.host.invalid");
}

/// A Redis with TLS only, and an authority of its own that vouches for it.
struct Tls {
    server: Server,
    port: u16,
}

impl Tls {
    fn start() -> Self {
        let port = Server::prepare(&[]).port;
        let mut server = Server::prepare(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            "{dir}/server.crt",
            "--tls-key-file",
            "{dir}/server.key",
            "--tls-ca-cert-file",
            "{dir}/ca.crt",
        ]);
        make_certificates(server.directory());
        server.run();
        Self { server, port }
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.server.directory().join(name)).expect("made before")
    }

    fn options(&self, change: impl FnOnce(TlsOptions) -> TlsOptions) -> LinkOptions {
        let tls = change(TlsOptions {
            ca: vec![self.file("ca.crt")],
            cert: Some(self.file("client.crt")),
            key: Some(self.file("client.key")),
            ..TlsOptions::default()
        });
        let endpoint = Endpoint::Tcp { host: "localhost".to_owned(), port: self.port, family: 4 };
        LinkOptions { endpoint, tls: Some(tls), ..options(0) }
    }
}

/// Of two authorities, and of a server and a client that the first one signed.
fn make_certificates(directory: &Path) {
    let write = |name: &str, certificate: &Certificate, key: &KeyPair| {
        std::fs::write(directory.join(format!("{name}.crt")), certificate.pem()).expect("a file");
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).expect("a file");
    };
    let (authority, key) = (authority("authority"), KeyPair::generate().expect("a key"));
    write("ca", &authority.self_signed(&key).expect("a certificate"), &key);
    let issuer = Issuer::new(authority, key);
    for name in ["server", "client"] {
        let names = if name == "server" { vec!["localhost".to_owned()] } else { Vec::new() };
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        write(name, &params.signed_by(&key, &issuer).expect("a certificate"), &key);
    }
    let other = KeyPair::generate().expect("a key");
    write("other", &self::authority("other").self_signed(&other).expect("a certificate"), &other);
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[test]
fn tls_works_with_a_private_authority_and_certificate() {
    let (tls, engine, policy) = (Tls::start(), Engine::start(), Retries::always());
    let several = |options: TlsOptions| TlsOptions {
        ca: vec![tls.file("other.crt"), [tls.file("other.crt"), tls.file("ca.crt")].concat()],
        ..options
    };
    let link = connect(&engine, tls.options(several), &policy);
    let large = "x".repeat(3_000_000);
    assert!(ask(&engine, link.as_ref(), &["SET", "a", &large]).is_ok());
    assert_eq!(ask(&engine, link.as_ref(), &["GET", "a"]), Ok(Value::Bulk(large.into_bytes())));
    link.reset();
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
    engine.wait(link.quit(crate::support::DEADLINE));
    engine.until_idle();
}

#[test]
fn an_untrusted_server_is_refused_with_the_reason() {
    let tls = Tls::start();
    let stranger = failure(tls.options(|options| TlsOptions { ca: vec![tls.file("other.crt")], ..options }));
    let code = |error: &RedisError| error.code.clone().unwrap_or_default().to_string();
    assert_eq!((stranger.kind, code(&stranger).as_str()), (RedisErrorKind::Tls, "SELF_SIGNED_CERT_IN_CHAIN"));
    let default_roots = failure(tls.options(|options| TlsOptions { ca: vec![], ..options }));
    assert_eq!(code(&default_roots), "SELF_SIGNED_CERT_IN_CHAIN");
    let misnamed =
        failure(tls.options(|options| TlsOptions { servername: Some("example.org".to_owned()), ..options }));
    assert_eq!(code(&misnamed), "ERR_TLS_CERT_ALTNAME_INVALID");
    assert!(misnamed.message.contains("not valid for example.org"), "{misnamed}");
    let (engine, policy) = (Engine::start(), Retries::always());
    let trusting = tls.options(|options| TlsOptions { ca: vec![], reject_unauthorized: false, ..options });
    let link = connect(&engine, trusting, &policy);
    assert!(ask(&engine, link.as_ref(), &["PING"]).is_ok());
}

#[test]
fn a_client_without_a_valid_certificate_gets_the_reason() {
    let tls = Tls::start();
    let nobody = failure(tls.options(|options| TlsOptions { cert: None, key: None, ..options }));
    let code = nobody.code.as_deref();
    assert_eq!((nobody.kind, code), (RedisErrorKind::Tls, Some("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")));
}

#[test]
fn invalid_options_are_rejected_by_name_and_without_the_key() {
    let tls = Tls::start();
    let invalid = |change: fn(TlsOptions) -> TlsOptions| {
        let options = tls.options(change).tls.expect("TLS");
        let invalid = check(&options).expect_err("it cannot work");
        assert!(!invalid.reason.contains("s3cret"), "{invalid:?}");
        invalid.option
    };
    assert_eq!(invalid(|options| TlsOptions { key: None, ..options }), "key");
    assert_eq!(invalid(|options| TlsOptions { cert: None, ..options }), "cert");
    assert_eq!(invalid(|options| TlsOptions { key: Some(b"s3cret".to_vec()), ..options }), "key");
    assert_eq!(invalid(|options| TlsOptions { ca: vec![b"s3cret".to_vec()], ..options }), "ca");
    let nameless = |options| TlsOptions { servername: Some("no name".to_owned()), ..options };
    assert_eq!(invalid(nameless), "servername");
    assert_eq!(check(&tls.options(|options| options).tls.expect("TLS")), Ok(()));
}

#[test]
fn nothing_is_sent_in_plain_text_to_a_server_without_tls() {
    let server = FakeServer::new(|_, _| Some("+OK\r\n".to_owned()));
    let options = LinkOptions {
        tls: Some(TlsOptions::default()),
        password: Some("s3cret".to_owned()),
        connect_timeout: Some(Duration::from_millis(200)),
        ..options(server.port)
    };
    assert_eq!(failure(options).kind, RedisErrorKind::Connect);
    assert_eq!(server.heard(), Vec::<String>::new());
}
