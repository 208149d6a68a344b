//! The embedded server.

use std::sync::Arc;

use napi::{Error, Status};
use napi_derive::napi;

use crate::embedded::chaos::ChaosOptions;
use crate::embedded::options::ServerOptions;
use crate::embedded::server::Server;
use crate::engine::host::context::Context;
use crate::redis_io::error::errno_name;

use super::native_facade::NativeFacade;

/// Options of an embedded server. The facade has validated them.
#[napi(object)]
pub struct NativeEmbeddedOptions {
    /// Port. 0 takes any free port.
    pub port: u32,
    /// Password that clients must send.
    pub password: Option<String>,
    /// Maximum memory of the keys, in bytes. 0 has no limit.
    pub max_memory: f64,
    /// Moves the clock only by `advance`.
    pub manual_clock: bool,
    /// Seed of the chaos.
    pub chaos_seed: f64,
    /// In ms.
    pub delay: f64,
    /// Odds from 0 to 1.
    pub drop_connection: f64,
    /// Odds from 0 to 1.
    pub duplicate_delivery: f64,
    /// Odds from 0 to 1.
    pub lose_completion: f64,
}

impl From<NativeEmbeddedOptions> for ServerOptions {
    fn from(options: NativeEmbeddedOptions) -> Self {
        Self {
            port: options.port as u16,
            password: options.password,
            max_memory: options.max_memory as usize,
            manual_clock: options.manual_clock,
            chaos: ChaosOptions {
                seed: options.chaos_seed as u64,
                delay: options.delay as u64,
                drop_connection: options.drop_connection,
                duplicate_delivery: options.duplicate_delivery,
                lose_completion: options.lose_completion,
            },
        }
    }
}

/// A server in this process, on the thread of this environment.
#[napi]
pub struct NativeEmbeddedRedis {
    server: Arc<Server>,
    context: Arc<Context>,
}

#[napi]
impl NativeEmbeddedRedis {
    /// A server that listens already. An error of the system is thrown with its code.
    #[napi(constructor)]
    pub fn new(facade: &NativeFacade, options: NativeEmbeddedOptions) -> Result<Self, Error<String>> {
        let context = facade
            .facade
            .with(|state| Ok(state.context.clone()))
            .map_err(|error| Error::new(error.status.to_string(), error.reason))?;
        let port = options.port;
        let server = Server::start(&options.into(), &context.tasks).map_err(|error| {
            let code = errno_name(&error).unwrap_or(Status::GenericFailure.as_ref());
            Error::new(
                code.to_owned(),
                format!("The embedded server cannot listen on 127.0.0.1:{port}: {error}"),
            )
        })?;
        Ok(Self { server: Arc::new(server), context })
    }

    /// Port of the server.
    #[napi(getter)]
    pub fn port(&self) -> u32 {
        u32::from(self.server.port())
    }

    /// Advances a manual clock, by ms. Returns true if the clock is manual.
    #[napi]
    pub fn advance(&self, ms: f64) -> bool {
        self.server.advance(ms as u64)
    }

    /// Closes everything. Completes the request at the end.
    #[napi]
    pub fn stop(&self, request: u32) {
        let (server, context) = (self.server.clone(), self.context.clone());
        self.context.tasks.spawn(async move {
            server.stop().await;
            context.done(request, Ok(()));
        });
    }
}
