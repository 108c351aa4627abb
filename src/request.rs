//! What a request means beyond its fields.

use std::path::Path;
use std::sync::Mutex;

use stillheap_protocol::{CaptureRequest, Failure, Redaction};
use stillheap_redact::Key;
use stillheap_sink::NameTemplate;

use crate::sync::lock;

/// The key of this process: its snapshots can be compared with each other, and nobody else has it.
static REDACTION_KEY: Mutex<Option<Key>> = Mutex::new(None);

/// How to redact, if that was asked for.
pub fn redaction(request: &CaptureRequest) -> Result<Option<stillheap_redact::Options>, Failure> {
    let Some(Redaction { source }) = request.redact else { return Ok(None) };
    let mut shared = lock(&REDACTION_KEY);
    let key = match &*shared {
        Some(key) => key.clone(),
        None => {
            let key = Key::random()
                .map_err(|error| Failure::system(&error, "getrandom", Path::new("/dev/urandom")))?;
            shared.insert(key).clone()
        }
    };
    Ok(Some(stillheap_redact::Options { source, key }))
}

/// How the file is named, if no name was given.
pub fn name_template(request: &CaptureRequest) -> Result<NameTemplate, Failure> {
    match &request.name {
        None => Ok(NameTemplate::default()),
        Some(name) => NameTemplate::parse(name)
            .map_err(|error| Failure::own("ERR_INVALID_ARG_VALUE", error.to_string())),
    }
}
