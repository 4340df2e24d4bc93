//! Why there is no client for a model.

use bench_core::Provider;
use thiserror::Error;

use crate::env::ResolveError;
use crate::model::script::ScriptError;
use crate::recording::RecordingError;

/// Why there is no client for a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The provider wants a key.
    #[error("{provider}: no key; set {variable} in the environment or in the file given with --env-file")]
    MissingKey {
        /// The provider.
        provider: Provider,
        /// The variable that holds its key.
        variable: &'static str,
    },
    /// The provider has no address of its own.
    #[error(
        "{provider}: no address; set {variable} in the environment or in the file given with --env-file, \
         such as http://127.0.0.1:11434/v1"
    )]
    MissingAddress {
        /// The provider.
        provider: Provider,
        /// The variable that holds its address.
        variable: &'static str,
    },
    /// The address is none.
    #[error("{from}: `{address}` is no address of a server ({reason}); write http:// or https:// and a host")]
    BadAddress {
        /// The variable, or `base_url` of the model.
        from: String,
        /// What it holds, without secrets.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable holds what cannot be sent in a header.
    #[error("{variable} holds a line break or another character that no HTTP header may hold")]
    BadHeader {
        /// The variable; its value is not shown.
        variable: &'static str,
    },
    /// An address or a header of the model has no value.
    #[error("{model}: {what}: {source}")]
    Unresolved {
        /// The model.
        model: String,
        /// Which of its members.
        what: String,
        /// Why.
        source: ResolveError,
    },
    /// A setting that the provider or the agent loop cannot take.
    #[error("{model}: {reason}")]
    BadSetting {
        /// The model.
        model: String,
        /// Which setting, and why.
        reason: String,
    },
    /// A `replay` model whose recording could lie anywhere.
    #[error("replay: nobody says in which folder of results the recorded run lies")]
    NoFolder,
    /// A known provider without a client yet.
    #[error("{provider} models are not supported yet")]
    NotSupported {
        /// The provider.
        provider: Provider,
    },
    /// The script of a `script` model.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The recorded run of a `replay` model.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The HTTP client could not be set up.
    #[error("cannot set up HTTP for {model}")]
    Http {
        /// The model.
        model: String,
        /// The library's words.
        source: reqwest::Error,
    },
}
