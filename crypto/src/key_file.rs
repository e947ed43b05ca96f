//! Secret keys on disk.
