//! The Althing node: everything with a disk, a network or a clock, around the pure rooms.

pub mod config;
pub mod handle;
pub mod home;
pub mod rpc;
pub mod storage;
