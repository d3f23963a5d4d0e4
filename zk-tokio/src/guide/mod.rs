#![doc = include_str!("index.md")]

#[doc = include_str!("first_program.md")]
pub mod first_program {}

#[doc = include_str!("sessions.md")]
pub mod sessions {}

#[doc = include_str!("watches.md")]
pub mod watches {}

#[doc = include_str!("transactions.md")]
pub mod transactions {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[cfg_attr(feature = "discovery", doc = include_str!("service_discovery.md"))]
#[cfg_attr(not(feature = "discovery"), doc = "This chapter needs the feature `discovery`: `cargo doc --all-features`.")]
pub mod service_discovery {}

#[doc = include_str!("membership.md")]
pub mod membership {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("blocking.md")]
pub mod blocking {}

#[doc = include_str!("embedding.md")]
pub mod embedding {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("coming_from.md")]
pub mod coming_from {}
