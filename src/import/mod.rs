//! Taking over what another system knows, as events that say so.

pub mod lukittu;
