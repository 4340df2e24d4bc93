//! What commands say, as text. Colour is always written here and taken out by the streams that may not have it.

pub(crate) mod error;
pub(crate) mod paint;
pub(crate) mod problems;
