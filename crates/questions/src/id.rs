//! A node's id as people write it.

use serde::Deserialize;

/// A node's id, written `@123`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Id(pub u64);

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let digits = text.strip_prefix('@').unwrap_or(text);
        digits.parse().map(Id).map_err(|_| "an id is a number, such as @123".to_owned())
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        text.parse()
    }
}
